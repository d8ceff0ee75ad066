{#- TA-Lib starts the fast average where the slow one starts: both look back equally far. -#}
{%- set fast = 12 -%}
{%- set slow = 26 -%}
{%- set signal = 9 -%}
{%- set name = fast ~ '_' ~ slow ~ '_' ~ signal -%}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

{{ series(
    bars='bars',
    define={
        'macd': 'ema(close, ' ~ fast ~ ', ' ~ (slow - 1) ~ ') - ema(close, ' ~ slow ~ ')',
        'signal': 'ema(macd, ' ~ signal ~ ')',
    },
    outputs={
        'macd_' ~ name: 'known_from(macd, ' ~ (slow + signal - 2) ~ ')',
        'macd_signal_' ~ name: 'signal',
        'macd_histogram_' ~ name: 'macd - signal',
    },
) }}

select * from final
