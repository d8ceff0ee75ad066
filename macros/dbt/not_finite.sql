{% macro not_finite(layer) -%}
{#- The models are found by their files, like the scanners, because dbt's graph is empty while it
    parses. -#}
{%- if not execute -%}
    {%- for file in ref.manifest.files.values() -%}
        {%- set path = '/' ~ file.path.relative_path -%}
        {%- if file.parse_file_type == 'model' and path.endswith('.sql')
            and path.startswith('/' ~ layer ~ '/') -%}
            {%- do ref(file.project_name, path.split('/')[-1][:-4]) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endif -%}
{%- set relations = {} -%}
{%- if execute -%}
    {%- for model in project_nodes('model')
        if model.fqn[1] == layer and model.config.materialized != 'ephemeral' -%}
        {%- do relations.update({model.schema ~ '.' ~ model.alias: []}) -%}
    {%- endfor -%}
    {%- set query -%}
        select
            schema_name || '.' || table_name,
            column_name
        from duckdb_columns()
        where database_name = '{{ target.database }}' and data_type in ('DOUBLE', 'FLOAT')
    {%- endset -%}
    {%- for row in run_query(query) if row[0] in relations -%}
        {%- do relations[row[0]].append(row[1]) -%}
    {%- endfor -%}
{%- endif -%}
{%- for relation, columns in relations.items() if columns %}
select
    '{{ relation }}' as relation,
    counted.column_name,
    counted.row_count
from (
    select unnest([
        {%- for column in columns %}
        {
            'column_name': '{{ column }}',
            'row_count': count_if(not isfinite({{ adapter.quote(column) }}))
        }{{ ',' if not loop.last }}
        {%- endfor %}
    ]) as counted
    from {{ relation }}
)
where counted.row_count > 0
union all
{%- endfor %}
select
    null as relation,
    null as column_name,
    null as row_count
where false
{%- endmacro %}
