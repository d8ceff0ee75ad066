{#-
    A table of which a build writes again only what has changed. In one transaction it deletes the
    stale rows, appends what the model selects, and records in the build's state what the table was
    built from. Everything is stale if the table is new, with --full-refresh, and if its code, or
    that of a table like it that it reads, differs from before. README.md says how a model uses it.
-#}
{% materialization changed_ranges, adapter='duckdb' %}
{%- set meta = config.get('meta') -%}
{%- set existing = load_cached_relation(this) -%}
{%- set target_relation = this.incorporate(type='table') -%}
{%- set stale_rows_deleted = adapter.get_incremental_strategy_macro(
    context, config.require('incremental_strategy')
) -%}
{%- if not config.get('contract').enforced -%}
    {{ exceptions.raise_compiler_error('changed_ranges makes its table from the contract: ' ~ model.name ~ ' must enforce one') }}
{%- endif -%}
{%- set code = built_code(compiled_code) -%}
{%- set is_increment = is_incremental_build(code) -%}
{%- if meta.get('chooses_query') -%}
    {%- set chosen = run_query(
        "select chosen.code, chosen.is_increment from (select getvariable('chosen_query') as chosen)
        where chosen.model = '" ~ model.name ~ "'"
    ).rows[0] -%}
    {%- set code = chosen.code -%}
    {%- set is_increment = chosen.is_increment -%}
{%- endif -%}
{%- set inputs = build_states(model.depends_on.nodes) -%}

{{ run_hooks(pre_hooks, inside_transaction=False) }}
{{ run_hooks(pre_hooks, inside_transaction=True) }}
{%- if existing is not none and not existing.is_table -%}
    {{ drop_relation_if_exists(existing) }}
{%- endif -%}
{%- call statement('stale_rows') -%}
    {%- if is_increment %}
{{ stale_rows_deleted({'target_relation': target_relation}) }}
    {%- else %}
create or replace table {{ target_relation }} {{ get_table_columns_and_constraints() }};
delete from {{ build_state() }} where model = '{{ model.name }}'
    {%- endif %}
{%- endcall -%}
{{ get_assert_columns_equivalent(compiled_code) }}
{#-
    Parts of a union run at once, one on each core, where their order in the table does not matter.
    The setting is the database's, and a model that failed may have left it off.
-#}
{%- do run_query('set preserve_insertion_order = ' ~ (not meta.get('any_order')) | lower) -%}
{%- call statement('main') %}
insert into {{ target_relation }} {{ get_column_names() }} (
{{ get_select_subquery(compiled_code) }}
)
{%- endcall -%}
{%- if meta.get('any_order') -%}{%- do run_query('set preserve_insertion_order = true') -%}{%- endif -%}
{%- call statement('state') -%}
delete from {{ build_state() }} where model = '{{ model.name }}';
insert into {{ build_state() }} by name
select
    '{{ model.name }}' as model,
    '{{ code }}' as code,
    {%- if inputs %}
    {{ inputs | map(attribute='built_through') | min }} as built_through,
    {%- elif 'bars__day_changes' in model.depends_on.nodes | join %}
    (select coalesce(max(changed_in), 0) from {{ ref('bars__day_changes') }}) as built_through,
    {%- else %}
    {{ exceptions.raise_compiler_error(
        'the tables that ' ~ model.name ~ ' reads are not built yet: build them too, with --select +' ~ model.name
    ) }}
    {%- endif %}
    {%- if meta.get('records_order') %}
    (select row_count = 0 from ({{ rows_out_of_order(this) }})) as is_in_order,
    {%- endif %}
    {{ (not is_increment) | lower }} as is_rebuilt
{%- endcall -%}

{%- if not is_increment -%}{%- do create_indexes(target_relation) -%}{%- endif -%}
{%- do apply_grants(
    target_relation, config.get('grants'), should_revoke=should_revoke(existing, not is_increment)
) -%}
{%- do persist_docs(target_relation, model) -%}
{{ run_hooks(post_hooks, inside_transaction=True) }}
{%- do adapter.commit() -%}
{{ run_hooks(post_hooks, inside_transaction=False) }}
{{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
