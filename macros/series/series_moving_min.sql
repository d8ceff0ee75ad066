{% macro series_moving_min(plan, value, bars) -%}
{{ return(series_moving_extreme(plan, value, bars, '<')) }}
{%- endmacro %}
