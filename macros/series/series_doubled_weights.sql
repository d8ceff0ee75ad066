{% macro series_doubled_weights(plan, value, size) -%}
{#- Weights `size` down to 1 from the newest: the newer half weighs `size / 2` more than its own. -#}
{%- if size == 1 -%}
    {{ return(value) }}
{%- endif -%}
{%- set half = size // 2 -%}
{%- set weighted = series_doubled_weights(plan, value, half) -%}
{{ return(series_planned(
    plan, value ~ '_weighted_' ~ size,
    weighted ~ ' + ' ~ half ~ ' * ' ~ series_doubled_sum(plan, value, half)
    ~ ' + ' ~ series_lagged(plan, weighted, half)
)) }}
{%- endmacro %}
