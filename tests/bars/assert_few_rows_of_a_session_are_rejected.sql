-- Of a source's symbols in one session, more than max_rejected_pct are unsound, and at least
-- min_unsound_symbols are: more than max_rejected_pct of their rows were rejected. The whole
-- delivery is broken, not a row or a symbol. Look at bars.rejected, withdraw the delivery
-- (`./bourse deliveries withdraw`) and ingest a sound one; or accept the rest of it with a
-- max_rejected_pct of 100 in dbt_project.yml or --vars.
{%- set max_rejected_pct = var('max_rejected_pct') %}

with

rejected as (
    select
        symbol,
        source,
        session_date,
        count(*) as rejected_count
    from {{ ref('bars__rejected') }}
    where
        symbol is not null
        -- A row that repeats another, has no trade, or has a time without a bar is no fault of the
        -- delivery: vendors send the hours before the open and days that are not over.
        and rule not in (
            'duplicate',
            'nothing_traded',
            'epoch_stamp',
            'no_session',
            'out_of_session',
            'future_stamp',
            'symbol_of_another_calendar'
        )
    group by symbol, source, session_date
),

delivered as (
    select
        symbol,
        source,
        session_date,
        sum(row_count) as row_count
    from {{ ref('bars__delivered_days') }}
    group by symbol, source, session_date
),

sessions as (
    select
        source,
        session_date,
        count(*) as symbol_count,
        count(*) filter (
            where rejected.rejected_count > delivered.row_count * {{ max_rejected_pct }} / 100
        ) as unsound_count
    from delivered
    left join rejected using (symbol, source, session_date)
    group by source, session_date
)

select * from sessions
where
    unsound_count > symbol_count * {{ max_rejected_pct }} / 100
    and unsound_count >= {{ var('min_unsound_symbols') }}
