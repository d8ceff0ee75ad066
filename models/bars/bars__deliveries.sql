with

files as (
    select * from {{ ref('stg_raw__deliveries') }}
),

recordings as (
    select * from {{ ref('bars__recordings') }}
),

final as (
    select
        delivery,
        kind,
        source,
        source_file,
        calendar,
        delivered_at,
        rows_read,
        rows_kept,
        rows_unreadable,
        rows_duplicate,
        rows_revised,
        symbol_count,
        first_session_date,
        last_session_date
    from files
    union all
    select
        delivery,
        'ticks' as kind,
        source,
        'ticks of ' || recording as source_file,
        calendar,
        delivered_at,
        tick_count as rows_read,
        tick_count as rows_kept,
        0 as rows_unreadable,
        0 as rows_duplicate,
        0 as rows_revised,
        symbol_count,
        session_date as first_session_date,
        session_date as last_session_date
    from recordings
)

select * from final
order by delivered_at, delivery
