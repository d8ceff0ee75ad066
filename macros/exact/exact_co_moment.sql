{% macro exact_co_moment(left, right, over) -%}
{#- Rows that have both values. A product of small numbers needs more decimals than they do. -#}
{%- set both = '(' ~ left ~ ') is not null and (' ~ right ~ ') is not null' -%}
({{ exact_mean('(' ~ left ~ ') * (' ~ right ~ ')', over, 26) }}
- {{ exact_mean('case when ' ~ both ~ ' then ' ~ left ~ ' end', over) }}
* {{ exact_mean('case when ' ~ both ~ ' then ' ~ right ~ ' end', over) }})
{%- endmacro %}
