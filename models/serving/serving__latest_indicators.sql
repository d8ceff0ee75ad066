{#- The last bar of each series is looked up first, so that no family is read but where it ends. -#}
{%- set families = {
    'moving_averages': ['sma_20', 'sma_50', 'sma_200', 'ema_20', 'ema_50', 'ema_200'],
    'rsi': ['rsi_14'],
    'macd': ['macd_12_26_9', 'macd_signal_12_26_9', 'macd_histogram_12_26_9'],
    'bollinger': [
        'bollinger_lower_20', 'bollinger_middle_20', 'bollinger_upper_20',
        'bollinger_position_20', 'bollinger_bandwidth_20',
    ],
    'atr': ['true_range_1', 'atr_14', 'natr_14'],
    'adx': ['plus_di_14', 'minus_di_14', 'dx_14', 'adx_14'],
    'obv': ['obv'],
    'vwap': ['vwap_session'],
} -%}

with

latest_bars as (
    select * from {{ ref('serving__latest_bars') }}
){% for family in families %},

{{ family }} as (
    select * from {{ ref('indicators__' ~ family) }}
    semi join latest_bars using (symbol, timeframe, bar_ts)
){% endfor %}

select
    symbol,
    timeframe,
    bar_ts,
    latest_bars.bar_end,
    latest_bars.close
    {%- for family, columns in families.items() %}
    {%- for column in columns %},
    {{ family }}.{{ column }}
    {%- endfor %}
    {%- endfor %}
from latest_bars{% for family in families %}
left join {{ family }} using (symbol, timeframe, bar_ts){% endfor %}
order by symbol, timeframe
