{% macro series_ema(plan, value, bars, first_bar=none) -%}
{{ return(series_smoothed(
    plan, value, 'ema', bars, '2.0::double / (' ~ bars ~ ' + 1)',
    1 - 2 / (bars + 1) if bars is number else none, first_bar
)) }}
{%- endmacro %}
