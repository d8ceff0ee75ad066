{% macro series_doubled_sum(plan, value, size) -%}
{#- The sum of `size` bars, a power of two, is that of its newer half and its older half. -#}
{%- if size == 1 -%}
    {{ return(value) }}
{%- endif -%}
{%- set half = series_doubled_sum(plan, value, size // 2) -%}
{{ return(series_planned(
    plan, value ~ '_sum_' ~ size, half ~ ' + ' ~ series_lagged(plan, half, size // 2)
)) }}
{%- endmacro %}
