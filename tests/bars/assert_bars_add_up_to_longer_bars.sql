-- A longer bar is not what its minutes are together: a resampling rule or a session grid is broken.
with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

longer_bars as (
    select * from bars
    where timeframe in ('5m', '15m', '30m', '1h')
),

minutes as (
    select * from bars
    where timeframe = '1m'
),

recomputed as (
    select
        longer_bars.symbol,
        longer_bars.timeframe,
        longer_bars.bar_ts,
        min(minutes.low) as low,
        max(minutes.high) as high,
        sum(minutes.volume) as volume,
        arg_min(minutes.open, minutes.bar_ts) as open,
        arg_max(minutes.close, minutes.bar_ts) as close
    from longer_bars
    left join minutes
        on
            longer_bars.symbol = minutes.symbol
            and longer_bars.bar_ts <= minutes.bar_ts
            and longer_bars.bar_end > minutes.bar_ts
            and longer_bars.session_date = minutes.session_date
    group by longer_bars.symbol, longer_bars.timeframe, longer_bars.bar_ts
)

select
    symbol,
    timeframe,
    bar_ts
from longer_bars
inner join recomputed using (symbol, timeframe, bar_ts)
where
    (longer_bars.open, longer_bars.high, longer_bars.low, longer_bars.close)
    is distinct from (recomputed.open, recomputed.high, recomputed.low, recomputed.close)
    or abs(longer_bars.volume - recomputed.volume) > 1e-6
