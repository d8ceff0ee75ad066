with

files as (
    select * from {{ ref('stg_raw__deliveries') }}
),

recordings as (
    select * from {{ ref('bars__recordings') }}
),

days as (
    select * from {{ ref('bars__delivered_days') }}
),

symbols as (
    select
        source,
        kind,
        count(distinct symbol) as source_symbol_count
    from days
    group by source, kind
),

everything as (
    select
        delivery,
        kind,
        source,
        source_file,
        calendar,
        delivered_at,
        read_row_count,
        kept_row_count,
        unreadable_row_count,
        duplicate_row_count,
        revised_row_count,
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
        tick_count as read_row_count,
        tick_count as kept_row_count,
        0 as unreadable_row_count,
        0 as duplicate_row_count,
        0 as revised_row_count,
        symbol_count,
        session_date as first_session_date,
        session_date as last_session_date
    from recordings
),

final as (
    select
        everything.*,
        coalesce(
            symbols.source_symbol_count,
            max(everything.symbol_count) over (partition by source, kind)
        ) as source_symbol_count
    from everything
    left join symbols using (source, kind)
)

select * from final
order by delivered_at, delivery
