select *
from {{ ref('bars__ohlcv').include(database=false) }}
where symbol = p_symbol and timeframe = p_timeframe and {{ series_exists() }}
order by bar_ts
