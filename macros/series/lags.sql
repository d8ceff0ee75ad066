{% macro series_lag(plan, value, bars=1) -%}
{#- x of some bars before, known as many bars later. -#}
{{ return(series_planned(
    plan, value ~ '_lag_' ~ bars, series_lagged(plan, value, bars),
    series_plus(plan.columns[value].start, bars)
)) }}
{%- endmacro %}

{% macro series_known_from(plan, value, bar) -%}
{#- x, shown from a bar on. -#}
{{ return(series_planned(plan, value ~ '_known_from_' ~ bar, '(' ~ value ~ ')', bar)) }}
{%- endmacro %}

{% macro series_lagged(plan, value, bars) -%}
{#- The SQL of a column some bars ago. DuckDB streams lags of less than 2,048 rows only: a longer one is taken in jumps. -#}
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

{% macro series_over(plan) -%}
{#- Rows that lie in order stream through an empty window; any others are ordered by it. -#}
{{ return(
    'over ()' if plan.lowering == 'streaming'
    else 'over (partition by symbol, timeframe order by bar_number)'
) }}
{%- endmacro %}
