{% macro built_days(layer) -%}
{#- The versions that a layer was last built from; nothing on a full refresh, or if an older project
    wrote it. -#}
{%- if not execute or flags.FULL_REFRESH -%}{{ return(none) }}{%- endif -%}
{%- set relation = load_relation(api.Relation.create(
    database=target.database, schema=layer, identifier='built_days'
)) -%}
{%- if relation -%}
    {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {{ return(relation if 'is_week_over' in columns else none) }}
{%- endif -%}
{%- endmacro %}
