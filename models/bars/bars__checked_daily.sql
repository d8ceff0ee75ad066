{{ config(materialized='ephemeral') }}

with

daily_bars as (
    select * from {{ ref('stg_raw__daily_bars') }}
),

stale_symbols as (
    select * from {{ ref('bars__stale_symbols') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

precedences as (
    select * from {{ ref('source_precedence') }}
),

stale_bars as (
    select
        daily_bars.*,
        daily_bars.session_date::timestamp as starts_at
    from daily_bars
    inner join stale_symbols using (symbol)
    where daily_bars.session_date >= stale_symbols.stale_from
),

-- a publishing bug that happens: one symbol's prices in every symbol's file
copied_prices as (
    select
        session_date,
        open,
        high,
        low,
        close,
        volume
    from stale_bars
    where volume > 0
    group by session_date, open, high, low, close, volume
    having count(distinct symbol) >= {{ var('min_copied_symbols') }}
),

ruled as (
    select
        stale_bars.*,
        sessions.open_ts,
        sessions.close_ts,
        coalesce(precedences.precedence, 0) as precedence,
        coalesce(
            {{ broken_price_rule() }},
            {{ broken_time_rule('starts_at', 'coalesce(sessions.close_ts, starts_at)') }},
            if(copied_prices.session_date is not null, 'copied_across_symbols', null)
        ) as broken_rule
    from stale_bars
    left join calendars using (calendar)
    left join sessions using (calendar, session_date)
    left join precedences using (source)
    left join copied_prices using (session_date, open, high, low, close, volume)
),

final as (
    select
        symbol,
        session_date,
        open_ts,
        close_ts,
        open,
        high,
        low,
        close,
        volume,
        calendar,
        source,
        source_file,
        source_row,
        delivery,
        delivered_at,
        case
            when broken_rule is not null then broken_rule
            when lag(delivery) over by_preference = delivery then 'duplicate'
        end as broken_rule,
        -- 1 is the bar that counts: a sound one of the best source, the last that was delivered
        row_number() over by_preference as preference
    from ruled
    window by_preference as (
        partition by symbol, session_date
        order by
            broken_rule is not null,
            precedence desc,
            delivered_at desc,
            delivery desc,
            source_row desc
    )
)

select * from final
