{%- set period = 20 -%}
{%- set width = 2 -%}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

{{ series(
    bars='bars',
    define={
        'middle': 'moving_mean(close, ' ~ period ~ ')',
        'half_width': width ~ ' * moving_stddev(close, ' ~ period ~ ')',
    },
    outputs={
        'bollinger_lower_' ~ period: 'middle - half_width',
        'bollinger_middle_' ~ period: 'middle',
        'bollinger_upper_' ~ period: 'middle + half_width',
        'bollinger_position_' ~ period:
            '(close - (middle - half_width)) / nullif(2 * half_width, 0)',
        'bollinger_bandwidth_' ~ period: '2 * half_width / middle',
    },
) }}

select * from final
