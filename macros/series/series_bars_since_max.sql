{% macro streaming__series_bars_since_max(plan, value, bars) -%}
{%- set found = series_extreme(plan, value, bars, '>') -%}
{{ return(series_planned(plan, value ~ '_since_max_' ~ bars, '(' ~ found.age ~ ')', found.start)) }}
{%- endmacro %}

{% macro windows__series_bars_since_max(plan, value, bars) -%}
{{ return(series_age(plan, value, windows__series_moving_max(plan, value, bars), bars)) }}
{%- endmacro %}
