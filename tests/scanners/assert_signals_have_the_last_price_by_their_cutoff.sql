-- A signal's price is not the close of the last bar that had ended when the signal was known.
with

signals as (
    select * from {{ ref('scanners__signals') }}
),

minutes as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1m'
),

prices as (
    select
        signals.signal_id,
        signals.entry_price,
        arg_max(minutes.close, minutes.bar_ts) as last_price
    from signals
    left join minutes
        on
            signals.symbol = minutes.symbol
            and signals.session_date = minutes.session_date
            and signals.known_ts >= minutes.bar_end
    group by signals.signal_id, signals.entry_price
)

select * from prices
where entry_price is distinct from last_price
