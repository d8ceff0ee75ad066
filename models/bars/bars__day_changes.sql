{%- set is_built = execute and load_relation(this) -%}

with

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
),

{%- if is_built %}

known as (
    select * from {{ this }}
),
{%- else %}

known as (
    select
        symbol,
        session_date,
        is_week_over,
        version,
        null::bigint as version_changed_in,
        null::bigint as changed_in
    from symbol_days
    where false
),
{%- endif %}

-- without earlier changes a number above all that a table may have recorded
builds as (
    select
        1 + coalesce(
            max(changed_in), (select max(built_through) from {{ build_state() }}), 0
        ) as number
    from known
),

final as (
    select
        symbol,
        session_date,
        symbol_days.is_week_over,
        symbol_days.version,
        if(
            symbol_days.version is distinct from known.version,
            builds.number,
            known.version_changed_in
        ) as version_changed_in,
        if(
            symbol_days.version is distinct from known.version
            or symbol_days.is_week_over is distinct from known.is_week_over,
            builds.number,
            known.changed_in
        ) as changed_in
    from symbol_days
    full join known using (symbol, session_date)
    cross join builds
)

select * from final
order by symbol, session_date
