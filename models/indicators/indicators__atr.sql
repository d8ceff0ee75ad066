{%- set period = 14 -%}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

{{ series(
    bars='bars',
    define={
        'previous_close': 'lag(close)',
        'true_range': 'greatest(high - low, abs(high - previous_close), abs(low - previous_close))',
        'atr': 'wilder(true_range, ' ~ period ~ ')',
    },
    outputs={
        'true_range_1': 'true_range',
        'atr_' ~ period: 'atr',
        'natr_' ~ period: '100 * atr / close',
    },
) }}

select * from final
