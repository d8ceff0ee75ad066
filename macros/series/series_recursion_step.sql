{% macro series_recursion_step() -%}
{#- After whatever can be told without the states; what is made of them has a later number. -#}
{{ return(1000) }}
{%- endmacro %}
