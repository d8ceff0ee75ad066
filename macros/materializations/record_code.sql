{% macro record_code() -%}
{%- if execute -%}
{%- if model.resource_type == 'seed' -%}
    {%- set code -%}
(
    select md5(coalesce(string_agg(line, '|' order by line), ''))
    from (select to_json(seed)::varchar as line from {{ this }} as seed)
)
    {%- endset -%}
{%- elif model.schema == 'scanners'
    and model.config.materialized != 'changed_ranges'
    and config.get('meta').get('records_code', true) -%}
    {%- set code = "'" ~ built_code(compiled_code) ~ "'" -%}
{%- endif -%}
{%- if code -%}
delete from {{ build_state() }} where model = '{{ model.name }}';
insert into {{ build_state() }} by name
select
    '{{ model.name }}' as model,
    {{ code }} as code,
    0 as built_to,
    true as is_rebuilt
{%- endif -%}
{%- endif -%}
{%- endmacro %}
