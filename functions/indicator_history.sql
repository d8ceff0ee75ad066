select
    bars.symbol,
    bars.timeframe,
    bars.bar_ts,
    bars.bar_end,
    bars.adjusted_close,
    moving_averages.* exclude (symbol, timeframe, bar_ts),
    rsi.* exclude (symbol, timeframe, bar_ts),
    macd.* exclude (symbol, timeframe, bar_ts),
    bollinger.* exclude (symbol, timeframe, bar_ts),
    atr.* exclude (symbol, timeframe, bar_ts),
    adx.* exclude (symbol, timeframe, bar_ts),
    obv.* exclude (symbol, timeframe, bar_ts),
    vwap.* exclude (symbol, timeframe, bar_ts)
from {{ ref('bars__ohlcv').include(database=false) }} as bars
{%- for family in ['moving_averages', 'rsi', 'macd', 'bollinger', 'atr', 'adx', 'obv', 'vwap'] %}
left join {{ ref('indicators__' ~ family).include(database=false) }} as {{ family }}
    on
        bars.bar_ts = {{ family }}.bar_ts
        and {{ family }}.symbol = p_symbol
        and {{ family }}.timeframe = p_timeframe
{%- endfor %}
where bars.symbol = p_symbol and bars.timeframe = p_timeframe
order by bars.bar_ts
