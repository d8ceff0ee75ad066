with

daily_bars as (
    select * from {{ ref('stg_raw__daily_bars') }}
),

minute_bars as (
    select * from {{ ref('bars__delivered_minutes') }}
),

days as (
    select
        symbol,
        calendar,
        session_date,
        delivery,
        source,
        'daily' as kind,
        count(*) as row_count,
        1::bigint as bar_count,
        session_date::timestamp as last_bar_end,
        bit_xor(hash(open, high, low, close, volume)) as content,
        coalesce(max(volume) > 0, false) as has_volume
    from daily_bars
    group by symbol, calendar, session_date, delivery, source
    union all
    select
        symbol,
        calendar,
        session_date,
        delivery,
        source,
        'minute' as kind,
        count(*) as row_count,
        len(list_distinct(list(bar_ts))) as bar_count,
        max(bar_ts) + interval 1 minute as last_bar_end,
        bit_xor(hash(bar_ts, open, high, low, close, volume)) as content,
        coalesce(max(volume) > 0, false) as has_volume
    from minute_bars
    group by symbol, calendar, session_date, delivery, source
),

-- a publishing bug that happens: one symbol's prices under the name of many
copies as (
    select
        session_date,
        kind,
        source,
        content
    from days
    where has_volume
    group by session_date, kind, source, content
    having count(distinct symbol) >= {{ var('min_copied_symbols') }}
),

final as (
    select
        days.symbol,
        days.session_date,
        days.kind,
        days.delivery,
        days.source,
        days.calendar,
        days.row_count,
        days.bar_count,
        days.last_bar_end,
        copies.content is not null and days.has_volume as is_copied
    from days
    left join copies using (session_date, kind, source, content)
)

select * from final
order by symbol, session_date
