{% macro series_decayed(plan, value, bars, alpha) -%}
{{ return(series_smoothed(
    plan, value, 'decayed_' ~ alpha, bars, alpha ~ '::double', 1 - alpha if alpha is number else none
)) }}
{%- endmacro %}
