{% macro build_state() -%}
{{ return(api.Relation.create(database=target.database, schema='build_state', identifier='tables')) }}
{%- endmacro %}
