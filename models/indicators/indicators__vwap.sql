with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

{{ series(
    bars='bars',
    define={
        'typical_price': '(high + low + close) / 3',
        'traded': 'session_total(typical_price * volume)',
        'quantity': 'session_total(volume)',
    },
    outputs={
        'vwap_session': 'traded / nullif(quantity, 0)',
    },
) }}

select * from final
