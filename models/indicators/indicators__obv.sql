with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

{{ series(
    bars='bars',
    define={
        'previous_close': 'lag(close)',
        'flow': 'case
            when bar_number = 0 or close > previous_close then volume
            when close < previous_close then -volume
            when close = previous_close then 0 * volume
        end',
    },
    outputs={
        'obv': 'running_total(known_from(flow, 0))',
    },
) }}

select * from final
