select
    bars.symbol,
    bars.timeframe,
    bars.bar_ts,
    bars.bar_end,
    bars.adjusted_close
    {%- for family in families() %},
    {{ family }}.* exclude (symbol, timeframe, bar_ts)
    {%- endfor %}
from {{ ref('bars__ohlcv').include(database=false) }} as bars
{%- for family in families() %}
left join {{ ref('indicators__' ~ family).include(database=false) }} as {{ family }}
    on
        bars.bar_ts = {{ family }}.bar_ts
        and {{ family }}.symbol = p_symbol
        and {{ family }}.timeframe = p_timeframe
{%- endfor %}
where bars.symbol = p_symbol and bars.timeframe = p_timeframe and {{ series_exists() }}
order by bars.bar_ts
