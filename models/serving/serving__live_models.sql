-- depends_on: {{ ref('scanners__signals') }}, {{ ref('bars__symbol_days') }}
{%- for scanner in scanners() %}
-- depends_on: {{ ref('scanners__' ~ scanner) }}, {{ ref(scanner ~ '_presets') }}
{%- endfor %}

with

models (step, relation, code) as (
    values
    {%- if execute %}
    {%- for model in live_models() %}
    ({{ loop.index }}, '{{ live_relation(model) }}', $sql${{ live_sql(model) }}$sql$),
    {%- endfor %}
    {%- endif %}
    (0, 'live.presets', $sql${{
        all_presets(['preset', 'cutoff_time::time as cutoff_time'], live_scanners())
        | replace('"' ~ target.database ~ '".', '')
    }}$sql$)
),

final as (
    select
        step::integer as step,
        relation::varchar as relation,
        code::varchar as code
    from models
)

select * from final
order by step
