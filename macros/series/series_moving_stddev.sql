{% macro series_moving_stddev(plan, value, bars) -%}
{%- set variance = series_moving_variance(plan, value, bars) -%}
{{ return(series_planned(plan, value ~ '_stddev_' ~ bars, 'sqrt(' ~ variance ~ ')')) }}
{%- endmacro %}
