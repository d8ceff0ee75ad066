{#- Fewer sessions than this are too few to speak of a year, or of how two things go together. -#}
{% macro min_year_sessions() -%}
{{ return(20) }}
{%- endmacro %}
