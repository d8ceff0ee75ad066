with

entries as (
    select * from {{ ref('backtests__entries') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1m'
),

-- a session enters only a few of 500 symbols: all other bars are dropped here
entered_days as (
    select distinct
        symbol,
        session_date
    from entries
),

measured as (
    select
        symbol,
        session_date,
        bars.bar_ts,
        bars.bar_end,
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        bars.source,
        max(bars.high) over day as day_high,
        min(bars.low) over day as day_low,
        max(bars.high) over rest_of_day as rest_high,
        min(bars.low) over rest_of_day as rest_low
    from bars
    inner join entered_days using (symbol, session_date)
    window
        day as (partition by symbol, session_date),
        rest_of_day as (
            partition by symbol, session_date
            order by bars.bar_ts
            rows between current row and unbounded following
        )
),

final as (
    select
        symbol,
        session_date,
        bar_ts,
        bar_end,
        open,
        high,
        low,
        close,
        volume,
        source,
        rest_high = rest_low and (rest_high = day_high or rest_low = day_low) as is_locked
    from measured
)

select * from final
order by symbol, bar_ts
