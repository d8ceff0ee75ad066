with

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe in ('1m', '1d')
)

select
    symbol,
    timeframe,
    calendar,
    max(bar_end) as last_bar_end,
    max(session_date) as last_session_date
from bars
group by symbol, timeframe, calendar
order by symbol, timeframe
