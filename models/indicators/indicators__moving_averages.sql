with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

{{ series(
    bars='bars',
    define={},
    outputs={
        'sma_20': 'moving_mean(close, 20)',
        'sma_50': 'moving_mean(close, 50)',
        'sma_200': 'moving_mean(close, 200)',
        'ema_20': 'ema(close, 20)',
        'ema_50': 'ema(close, 50)',
        'ema_200': 'ema(close, 200)',
    },
) }}

select * from final
