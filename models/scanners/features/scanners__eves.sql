{{ config(access='private') }}
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

days as (
    select * from {{ ref('bars__ohlcv') }}
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
        before.session_date as date_before
    from scanned_days
    inner join sessions using (calendar, session_date)
    left join sessions as eve
        on
            sessions.calendar = eve.calendar
            and sessions.session_number = eve.session_number + 1
    left join sessions as before
        on
            sessions.calendar = before.calendar
            and sessions.session_number = before.session_number + 2
),

histograms as (
    select
        days.symbol,
        days.session_date,
        days.adjusted_close,
        macd.macd_histogram_12_26_9
    from days
    inner join macd using (symbol, timeframe, bar_ts)
),

final as (
    select
        eves.symbol,
        eves.session_date,
        eves.eve_date,
        days.adjusted_close,
        momentum.rsi_14,
        macd.macd_histogram_12_26_9,
        histograms.adjusted_close as adjusted_close_before,
        histograms.macd_histogram_12_26_9 as macd_histogram_12_26_9_before,
        moving_averages.ema_20,
        moving_averages.ema_50,
        bands.bollinger_lower_20,
        bands.bollinger_upper_20,
        directional_movement.plus_di_14,
        directional_movement.minus_di_14,
        directional_movement.adx_14,
        stops.supertrend_direction_10
    from eves
    left join days
        on
            eves.symbol = days.symbol
            and eves.eve_date = days.session_date
    left join histograms
        on
            eves.symbol = histograms.symbol
            and eves.date_before = histograms.session_date
{%- for family in families %}
    left join {{ family }}
        on
            days.symbol = {{ family }}.symbol
            and days.timeframe = {{ family }}.timeframe
            and days.bar_ts = {{ family }}.bar_ts
{%- endfor %}
)

select * from final
order by session_date, symbol
