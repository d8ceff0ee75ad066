{% macro code_recorded(relation) -%}
{#- A hook after a family is written: the table's comment records its code, for `built_code`. -#}
{%- set code = modules.re.search('code ([0-9a-f]{32})', model.get('compiled_code') or '') -%}
{%- if execute and code and target.type == 'duckdb' -%}
comment on table {{ relation }} is 'built from code {{ code.group(1) }}'
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
