{%- set period = 14 -%}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

{{ series(
    bars='bars',
    define={
        'change': 'close - lag(close)',
        'gain': 'wilder(case when change > 0 then change else 0 end, ' ~ period ~ ')',
        'loss': 'wilder(case when change < 0 then -change else 0 end, ' ~ period ~ ')',
    },
    outputs={
        'rsi_' ~ period: 'case when gain + loss > 0 then 100 * gain / (gain + loss) else 0 end',
    },
) }}

select * from final
