{#- With fewer sessions, nothing is annualized, and no slope or correlation is computed. -#}
{% macro min_year_sessions() -%}
{{ return(20) }}
{%- endmacro %}
