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
        'rise': 'high - lag(high)',
        'fall': 'lag(low) - low',
        'up': 'wilder_sum(case when rise > 0 and rise > fall then rise else 0 end, ' ~ period ~ ')',
        'down': 'wilder_sum(case when fall > 0 and fall > rise then fall else 0 end, ' ~ period ~ ')',
        'range': 'wilder_sum(true_range, ' ~ period ~ ')',
        'plus_di': 'case when range > 0 then 100 * up / range else 0 end',
        'minus_di': 'case when range > 0 then 100 * down / range else 0 end',
        'dx': 'case when up + down > 0 then 100 * abs(up - down) / (up + down) else 0 end',
        'adx': 'wilder(dx, ' ~ period ~ ')',
    },
    outputs={
        'plus_di_' ~ period: 'plus_di',
        'minus_di_' ~ period: 'minus_di',
        'dx_' ~ period: 'dx',
        'adx_' ~ period: 'adx',
    },
) }}

select * from final
