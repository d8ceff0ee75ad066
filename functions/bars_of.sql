select *
from {{ ref('bars__ohlcv').include(database=false) }}
where symbol = p_symbol and timeframe = p_timeframe
order by bar_ts
