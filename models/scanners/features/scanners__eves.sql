{{ config(access='public') }}
{%- set families = [
    'momentum',
    'macd',
    'moving_averages',
    'bands',
    'directional_movement',
    'stops',
] -%}

with

session_minutes as (
    select * from {{ ref('scanners__session_minutes') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

conflicts as (
    select * from {{ ref('bars__day_minute_conflicts') }}
),

-- a day that its minutes contradict counts as none
days as (
    select * from {{ ref('bars__ohlcv') }}
    anti join conflicts using (symbol, session_date)
    where timeframe = '1d'
),

{% for family in families -%}
{{ family }} as (
    select * from {{ ref('indicators__' ~ family) }}
),

{% endfor -%}
scanned_days as (
    select distinct
        symbol,
        calendar,
        session_date
    from session_minutes
),

eves as (
    select
        scanned_days.symbol,
        scanned_days.session_date,
        eve.session_date as eve_date,
        before_eve.session_date as date_before_eve
    from scanned_days
    inner join sessions as today using (calendar, session_date)
    left join sessions as eve
        on
            today.calendar = eve.calendar
            and today.session_number = eve.session_number + 1
    left join sessions as before_eve
        on
            eve.calendar = before_eve.calendar
            and eve.session_number = before_eve.session_number + 1
),

measured_days as (
    select
        days.symbol,
        days.session_date,
        days.adjusted_close,
        momentum.rsi_14,
        macd.macd_histogram_12_26_9,
        moving_averages.ema_20,
        moving_averages.ema_50,
        bands.bollinger_lower_20,
        bands.bollinger_upper_20,
        directional_movement.adx_14,
        stops.supertrend_direction_10
    from days
    semi join scanned_days using (symbol)
    {%- for family in families %}
    left join {{ family }} using (symbol, timeframe, bar_ts)
    {%- endfor %}
),

final as (
    select
        eves.symbol,
        eves.session_date,
        eves.eve_date,
        on_eve.adjusted_close,
        on_eve.rsi_14,
        on_eve.macd_histogram_12_26_9,
        before_eve.adjusted_close as adjusted_close_before,
        before_eve.macd_histogram_12_26_9 as macd_histogram_12_26_9_before,
        on_eve.ema_20,
        on_eve.ema_50,
        on_eve.bollinger_lower_20,
        on_eve.bollinger_upper_20,
        on_eve.adx_14,
        on_eve.supertrend_direction_10
    from eves
    left join measured_days as on_eve
        on
            eves.symbol = on_eve.symbol
            and eves.eve_date = on_eve.session_date
    left join measured_days as before_eve
        on
            eves.symbol = before_eve.symbol
            and eves.date_before_eve = before_eve.session_date
)

select * from final
order by session_date, symbol
