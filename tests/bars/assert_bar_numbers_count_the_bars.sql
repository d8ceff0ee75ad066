-- A series does not number its bars 0, 1, 2, … in order of time: indicators would look back over
-- the wrong number of bars, or into another symbol.
with

bars as (
    select * from {{ ref('bars__ohlcv') }}
)

select
    symbol,
    timeframe,
    bar_ts,
    bar_number
from bars
qualify bar_number != row_number() over (partition by symbol, timeframe order by bar_ts) - 1
