{% macro build_state() -%}
{{ return(
    api.Relation.create(database=target.database, schema='build_state', identifier='models')
) }}
{%- endmacro %}

{% macro build_states(nodes) -%}
{%- if not execute or not load_relation(build_state()) -%}{{ return([]) }}{%- endif -%}
{%- set names = [''] -%}
{%- for node in nodes -%}{%- do names.append(node.split('.')[-1]) -%}{%- endfor -%}
{{ return(run_query(
    'select model, code, built_through, is_in_order, stale_list from ' ~ build_state()
    ~ " where model in ('" ~ names | join("', '") ~ "') order by model"
).rows) }}
{%- endmacro %}

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

{% macro built_through(models) -%}
(
    select if(count(*) = {{ models | length }}, min(built_through), 0)
    from {{ build_state() }}
    where model in ('{{ models | join("', '") }}')
)
{%- endmacro %}

{% macro stale_list_record(models, stale_list) -%}
delete from {{ build_state() }} where model = '{{ model.name }}';
insert into {{ build_state() }} by name
select
    '{{ model.name }}' as model,
    '' as code,
    {{ built_through(models) }} as built_through,
    true as is_rebuilt,
    {{ stale_list }} as stale_list
{%- endmacro %}

{% macro record_code() -%}
{%- if execute -%}
{%- if model.resource_type == 'seed' -%}
    {%- set code -%}
(
    select md5(coalesce(string_agg(line, '|' order by line), ''))
    from (select to_json(seed)::varchar as line from {{ this }} as seed)
)
    {%- endset -%}
{%- elif model.config.materialized != 'changed_ranges'
    and config.get('meta').get('records_code', model.schema == 'scanners') -%}
    {%- set code = "'" ~ built_code(compiled_code) ~ "'" -%}
{%- endif -%}
{%- if code -%}
delete from {{ build_state() }} where model = '{{ model.name }}';
insert into {{ build_state() }} by name
select
    '{{ model.name }}' as model,
    {{ code }} as code,
    0 as built_through,
    true as is_rebuilt
{%- endif -%}
{%- endif -%}
{%- endmacro %}

{% macro is_incremental_build(code) -%}
{%- set existing = load_relation(this) -%}
{%- set states = build_states([model.name]) -%}
{{ return(
    existing is not none
    and existing.is_table
    and not should_full_refresh()
    and states | length == 1
    and states[0].code == code
) }}
{%- endmacro %}

{% macro query_choice(code, is_increment) -%}
{%- do run_query(
    "set variable chosen_query = {'model': '" ~ model.name ~ "', 'code': '" ~ code
    ~ "', 'is_increment': " ~ is_increment | lower ~ '}'
) -%}
{%- endmacro %}

{% macro has_series_order(relation) -%}
{%- set states = build_states([relation.schema ~ '__' ~ relation.identifier]) -%}
{{ return(states | length == 1 and states[0].is_in_order == true) }}
{%- endmacro %}

{% macro rows_out_of_order(relation) -%}
select count(*) as row_count
from (
    select
        symbol,
        timeframe,
        bar_ts,
        lag(symbol) over () as symbol_before,
        lag(timeframe) over () as timeframe_before,
        lag(bar_ts) over () as bar_ts_before
    from {{ relation }}
)
where
    symbol < symbol_before
    or symbol = symbol_before and timeframe < timeframe_before
    or symbol = symbol_before and timeframe = timeframe_before and bar_ts <= bar_ts_before
{%- endmacro %}
