{% macro series_lag(plan, value, bars=1) -%}
{{ return(series_planned(
    plan, value ~ '_lag_' ~ bars, series_lagged(plan, value, bars),
    series_plus(plan.columns[value].start, bars)
)) }}
{%- endmacro %}
