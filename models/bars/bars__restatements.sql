with

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
),

daily_bars as (
    select * from {{ ref('stg_raw__daily_bars') }}
),

minute_bars as (
    select * from {{ ref('bars__delivered_minutes') }}
),

redelivered_days as (
    select
        symbol,
        session_date
    from symbol_days
    where delivery_count > 1
),

deliveries as (
    select
        symbol,
        '1d' as timeframe,
        session_date::timestamp as bar_ts,
        session_date,
        calendar,
        source,
        delivery,
        delivered_at,
        source_row,
        open,
        high,
        low,
        close,
        volume
    from daily_bars
    semi join redelivered_days using (symbol, session_date)
    union all
    select
        symbol,
        '1m' as timeframe,
        bar_ts,
        session_date,
        calendar,
        source,
        delivery,
        delivered_at,
        source_row,
        open,
        high,
        low,
        close,
        volume
    from minute_bars
    semi join redelivered_days using (symbol, session_date)
),

compared as (
    select
        *,
        lag(delivered_at) over by_delivery as previously_delivered_at,
        lag(delivery) over by_delivery as previous_delivery,
        lag(open) over by_delivery as previous_open,
        lag(high) over by_delivery as previous_high,
        lag(low) over by_delivery as previous_low,
        lag(close) over by_delivery as previous_close,
        lag(volume) over by_delivery as previous_volume
    from deliveries
    window by_delivery as (
        partition by symbol, timeframe, bar_ts, source, calendar
        order by delivered_at, delivery, source_row
    )
),

final as (
    select
        symbol,
        timeframe,
        bar_ts,
        session_date,
        source,
        previously_delivered_at,
        delivered_at,
        delivery,
        previous_open,
        open,
        previous_high,
        high,
        previous_low,
        low,
        previous_close,
        close,
        previous_volume,
        volume
    from compared
    where
        previous_delivery != delivery
        and (previous_open, previous_high, previous_low, previous_close, previous_volume)
        is distinct from (open, high, low, close, volume)
)

select * from final
order by symbol, timeframe, bar_ts, delivered_at
