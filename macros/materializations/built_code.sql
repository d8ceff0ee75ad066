{% macro built_code(query) -%}
{%- set parts = [query, table_columns_and_constraints()] -%}
{%- for input in build_states(model.depends_on.nodes) if input.code -%}
    {%- do parts.append(input.code) -%}
{%- endfor -%}
{{ return(local_md5(parts | join('|'))) }}
{%- endmacro %}
