{% macro exact_co_moment(left, right, over) -%}
{#- Where there are both; of small numbers a product is smaller, so it has more decimals. -#}
{%- set both = '(' ~ left ~ ') is not null and (' ~ right ~ ') is not null' -%}
({{ exact_mean('(' ~ left ~ ') * (' ~ right ~ ')', over, 26) }}
- {{ exact_mean('case when ' ~ both ~ ' then ' ~ left ~ ' end', over) }}
* {{ exact_mean('case when ' ~ both ~ ' then ' ~ right ~ ' end', over) }})
{%- endmacro %}
