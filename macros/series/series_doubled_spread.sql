{% macro series_doubled_spread(plan, value, size) -%}
{#- Chan's merge: squares about the mean of both halves, and what their means differ by. -#}
{%- if size == 1 -%}
    {{ return(none) }}
{%- endif -%}
{%- set half = size // 2 -%}
{%- set total = series_doubled_sum(plan, value, half) -%}
{%- set spread = series_doubled_spread(plan, value, half) -%}
{%- set between = 'pow(' ~ total ~ ' - ' ~ series_lagged(total, half) ~ ', 2) / ' ~ size -%}
{%- set within = [] if spread is none else [spread, series_lagged(spread, half)] -%}
{{ return(series_planned(
    plan, value ~ '_spread_' ~ size, (within + [between]) | join(' + '),
    [total] + ([] if spread is none else [spread])
)) }}
{%- endmacro %}
