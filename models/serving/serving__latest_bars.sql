with

bars as (
    select * from {{ ref('bars__ohlcv') }}
)

select
    symbol,
    timeframe,
    max(bar_ts) as bar_ts,
    max(bar_end) as bar_end,
    max(session_date) as session_date,
    arg_max(open, bar_ts) as open,
    arg_max(high, bar_ts) as high,
    arg_max(low, bar_ts) as low,
    arg_max(close, bar_ts) as close,
    arg_max(volume, bar_ts) as volume,
    arg_max(source, bar_ts) as source
from bars
group by symbol, timeframe
order by symbol, timeframe
