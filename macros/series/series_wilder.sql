{% macro series_wilder(plan, value, bars) -%}
{{ return(series_smoothed(
    plan, value, 'wilder', bars, '1.0::double / ' ~ bars, 1 - 1 / bars if bars is number else none
)) }}
{%- endmacro %}
