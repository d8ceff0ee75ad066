{% macro series_moving_max(plan, value, bars) -%}
{{ return(series_moving_extreme(plan, value, bars, '>')) }}
{%- endmacro %}
