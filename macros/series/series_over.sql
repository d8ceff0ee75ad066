{% macro series_over(plan) -%}
{#- Rows that lie in order stream through an empty window; any others are ordered by it. -#}
{{ return(
    'over ()' if plan.lowering == 'streaming'
    else 'over (partition by symbol, timeframe order by bar_number)'
) }}
{%- endmacro %}
