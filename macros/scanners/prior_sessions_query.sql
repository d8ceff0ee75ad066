{% macro prior_sessions_query(session_minutes, sessions, conflicts, bars, families) -%}
with

session_minutes as (
    select * from {{ session_minutes }}
),

sessions as (
    select * from {{ sessions }}
),

conflicts as (
    select * from {{ conflicts }}
),

-- a daily bar that its minutes contradict is left out
days as (
    select * from {{ bars }}
    anti join conflicts using (symbol, session_date)
    where timeframe = '1d'
),

{% for family, relation in families.items() -%}
{{ family }} as (
    select * from {{ relation }}
),

{% endfor -%}
scanned_days as (
    select distinct
        symbol,
        calendar,
        session_date
    from session_minutes
),

prior_sessions as (
    select
        scanned_days.symbol,
        scanned_days.session_date,
        previous.session_date as prior_session_date,
        earlier.session_date as earlier_session_date
    from scanned_days
    inner join sessions as today using (calendar, session_date)
    left join sessions as previous
        on
            today.calendar = previous.calendar
            and today.session_number = previous.session_number + 1
    left join sessions as earlier
        on
            previous.calendar = earlier.calendar
            and previous.session_number = earlier.session_number + 1
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
        prior_sessions.symbol,
        prior_sessions.session_date,
        prior_sessions.prior_session_date,
        previous.adjusted_close,
        previous.rsi_14,
        previous.macd_histogram_12_26_9,
        earlier.adjusted_close as adjusted_close_before,
        earlier.macd_histogram_12_26_9 as macd_histogram_12_26_9_before,
        previous.ema_20,
        previous.ema_50,
        previous.bollinger_lower_20,
        previous.bollinger_upper_20,
        previous.adx_14,
        previous.supertrend_direction_10
    from prior_sessions
    left join measured_days as previous
        on
            prior_sessions.symbol = previous.symbol
            and prior_sessions.prior_session_date = previous.session_date
    left join measured_days as earlier
        on
            prior_sessions.symbol = earlier.symbol
            and prior_sessions.earlier_session_date = earlier.session_date
)

select * from final
{%- endmacro %}
