{% macro order_recorded(relation) -%}
{#- A hook after a table of bars was written: streams through it may then rely on what it found. -#}
{%- if execute and target.type == 'duckdb' and model.resource_type == 'model' -%}
    {%- set found = run_query(rows_out_of_order(relation)) -%}
comment on table {{ relation }} is '{{ order_comment(found.rows[0][0] == 0) }}'
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
