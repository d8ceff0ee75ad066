{% macro record_code() -%}
{%- set is_seed = model.resource_type == 'seed' -%}
{%- set is_of_scanners = model.schema == 'scanners' and model.config.materialized == 'table' -%}
{%- if execute and (is_seed or is_of_scanners and config.get('meta').get('records_code', true)) -%}
{%- set code -%}
    {%- if is_seed -%}
(
    select md5(coalesce(string_agg(line, '|' order by line), ''))
    from (select to_json(seed)::varchar as line from {{ this }} as seed)
)
    {%- else -%}
'{{ built_code(compiled_code) }}'
    {%- endif -%}
{%- endset -%}
delete from {{ build_state() }} where model = '{{ model.name }}';
insert into {{ build_state() }} by name
select
    '{{ model.name }}' as model,
    {{ code }} as code,
    0 as built_to,
    true as is_rebuilt
{%- endif -%}
{%- endmacro %}
