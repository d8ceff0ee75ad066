-- depends_on: {{ ref('scanners__signals') }}, {{ ref('bars__symbol_days') }}
{%- for scanner in scanners() %}
-- depends_on: {{ ref('scanners__' ~ scanner) }}, {{ ref(scanner ~ '_presets') }}
{%- endfor %}

with

models (step, relation, code) as (
    values
    {%- if execute %}
    {%- for model in live_models() %}
    ({{ loop.index }}, '{{ relation_on_read(model) }}', $sql${{ live_sql(model) }}$sql$),
    {%- endfor %}
    {%- endif %}
    (0, 'live.presets', $sql${{ live_presets() }}$sql$)
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
