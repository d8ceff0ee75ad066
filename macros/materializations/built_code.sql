{% macro built_code(query) -%}
{%- set parts = [query] -%}
{%- if model.config.contract.enforced -%}
    {%- do parts.append(table_columns_and_constraints()) -%}
{%- endif -%}
{%- for input in build_states(model.depends_on.nodes) if input.code -%}
    {%- do parts.append(input.code) -%}
{%- endfor -%}
{{ return(local_md5(parts | join('|'))) }}
{%- endmacro %}
