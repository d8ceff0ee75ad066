{% macro series_lagged(plan, value, bars) -%}
{#- DuckDB streams lags of less than 2,048 rows only: a longer one is taken in jumps. -#}
{%- set over = series_over(plan) -%}
{%- if bars == 0 -%}
    {{ return(value) }}
{%- elif bars is string or bars < 2048 or plan.lowering == 'windows' -%}
    {{ return('lag(' ~ value ~ ', ' ~ bars ~ ') ' ~ over) }}
{%- elif plan.of_one_series -%}
    {{ return('lag(' ~ value ~ ', ' ~ bars ~ ') over (order by bar_number)') }}
{%- endif -%}
{%- set jump = series_planned(plan, value ~ '_jump', 'lag(' ~ value ~ ', 1024) ' ~ over, 0) -%}
{{ return(series_lagged(plan, jump, bars - 1024)) }}
{%- endmacro %}
