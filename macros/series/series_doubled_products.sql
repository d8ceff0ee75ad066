{% macro series_doubled_products(plan, left, right, size) -%}
{#- Chan's merge: products about the means of both halves, and what their means differ by. -#}
{%- if size == 1 -%}
    {{ return('0.0::double') }}
{%- endif -%}
{%- set half = size // 2 -%}
{%- set products = series_doubled_products(plan, left, right, half) -%}
{%- set gaps = [] -%}
{%- for value in [left, right] -%}
    {%- set total = series_doubled_sum(plan, value, half) -%}
    {%- do gaps.append('(' ~ total ~ ' - ' ~ series_lagged(plan, total, half) ~ ')') -%}
{%- endfor -%}
{%- set between = gaps | join(' * ') ~ ' / ' ~ size -%}
{%- set within = [] if size == 2 else [products ~ ' + ' ~ series_lagged(plan, products, half)] -%}
{{ return(series_planned(plan, left ~ '_' ~ right ~ '_products_' ~ size, (within + [between]) | join(' + '))) }}
{%- endmacro %}
