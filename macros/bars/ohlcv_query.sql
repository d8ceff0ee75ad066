{% macro ohlcv_query(
    checked_daily, checked_minutes, symbol_days, sessions, stale_symbols, built=none
) -%}
{#- Each timeframe is made of the one before it, so its length is a multiple of that one's. -#}
{%- set intraday = [('1m', '5m', 5), ('5m', '15m', 15), ('15m', '30m', 30), ('30m', '1h', 60)] -%}

with

checked_daily as (
    select * from {{ checked_daily }}
),

checked_minutes as (
    select * from {{ checked_minutes }}
),

symbol_days as (
    select * from {{ symbol_days }}
),

sessions as (
    select * from {{ sessions }}
),

stale_symbols as (
    select * from {{ stale_symbols }}
),

-- a price that rounding put above the high, or below the low, becomes the high or the low
bars_1m as not materialized (
    select
        symbol,
        '1m' as timeframe,
        bar_ts,
        bar_ts + interval 1 minute as bar_end,
        session_date,
        open_ts,
        close_ts,
        open,
        greatest(open, high, low, close) as high,
        least(open, high, low, close) as low,
        close,
        {{ stated_volume() }} as volume,
        calendar,
        source
    from checked_minutes
    where broken_rule is null and preference = 1
),
{% for shorter, timeframe, minutes in intraday %}
bars_{{ timeframe }} as materialized (
    select
        symbol,
        '{{ timeframe }}' as timeframe,
        -- on the session's own grid: the first bar starts when the session opens
        open_ts + to_minutes(
            date_diff('minute', open_ts, bar_ts) // {{ minutes }} * {{ minutes }}
        ) as bar_ts,
        least(
            open_ts + to_minutes(
                (date_diff('minute', open_ts, bar_ts) // {{ minutes }} + 1) * {{ minutes }}
            ),
            close_ts
        ) as bar_end,
        session_date,
        open_ts,
        close_ts,
        arg_min(open, bar_ts) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, bar_ts) as close,
        {{ volume_of_all() }} as volume,
        calendar,
        {{ source_of_all() }} as source
    from bars_{{ shorter }}
    group by all
),
{% endfor %}

delivered_days as (
    select
        symbol,
        open_ts as bar_ts,
        close_ts as bar_end,
        session_date,
        open,
        greatest(open, high, low, close) as high,
        least(open, high, low, close) as low,
        close,
        {{ stated_volume() }} as volume,
        calendar,
        source
    from checked_daily
    where broken_rule is null and preference = 1
),

-- a day that no vendor delivered is made of its minutes
days_of_minutes as (
    select
        symbol,
        open_ts as bar_ts,
        close_ts as bar_end,
        session_date,
        arg_min(open, bars_30m.bar_ts) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, bars_30m.bar_ts) as close,
        {{ volume_of_all() }} as volume,
        calendar,
        {{ source_of_all() }} as source
    from bars_30m
    anti join delivered_days using (symbol, session_date)
    group by symbol, session_date, open_ts, close_ts, calendar
),

bars_1d as materialized (
    select
        *,
        '1d' as timeframe
    from delivered_days
    union all by name
    select
        *,
        '1d' as timeframe
    from days_of_minutes
),

-- in the shares of the week's last day, because there may be a split within a week
weeks as (
    select
        bars_1d.symbol,
        sessions.week_close_ts,
        arg_max(symbol_days.adjustment_factor, bars_1d.session_date) as last_factor
    from bars_1d
    inner join sessions using (calendar, session_date)
    inner join symbol_days using (symbol, session_date)
    group by bars_1d.symbol, sessions.week_close_ts
),

days_of_weeks as (
    select
        bars_1d.* exclude (open, high, low, close, volume),
        weeks.week_close_ts,
        bars_1d.open * (symbol_days.adjustment_factor / weeks.last_factor) as open,
        bars_1d.high * (symbol_days.adjustment_factor / weeks.last_factor) as high,
        bars_1d.low * (symbol_days.adjustment_factor / weeks.last_factor) as low,
        bars_1d.close * (symbol_days.adjustment_factor / weeks.last_factor) as close,
        bars_1d.volume / (symbol_days.adjustment_factor / weeks.last_factor) as volume
    from bars_1d
    inner join sessions using (calendar, session_date)
    inner join symbol_days using (symbol, session_date)
    inner join weeks
        on
            bars_1d.symbol = weeks.symbol
            and sessions.week_close_ts = weeks.week_close_ts
),

bars_1w as (
    select
        symbol,
        '1w' as timeframe,
        min(bar_ts) as bar_ts,
        week_close_ts as bar_end,
        max(session_date) as session_date,
        arg_min(open, bar_ts) as open,
        max(high) as high,
        min(low) as low,
        arg_max(close, bar_ts) as close,
        {{ volume_of_all() }} as volume,
        calendar,
        {{ source_of_all() }} as source
    from days_of_weeks
    group by symbol, calendar, week_close_ts
),

all_bars as (
    {%- for timeframe in ['1m', '5m', '15m', '30m', '1h', '1d', '1w'] %}
    select
        symbol,
        timeframe,
        bar_ts,
        bar_end,
        session_date,
        open,
        high,
        low,
        close,
        volume,
        calendar,
        source
    from bars_{{ timeframe }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- bars that are completed by the time the data of their market ends, in the order of their series
ordered as (
    select
        all_bars.*,
        symbol_days.adjustment_factor,
        symbol_days.adjustment_factor_total
    from all_bars
    inner join symbol_days using (symbol, session_date)
    inner join stale_symbols using (symbol)
    where
        all_bars.bar_end <= symbol_days.known_until
        and (all_bars.timeframe = '1w' or all_bars.session_date >= stale_symbols.stale_from)
    order by all_bars.symbol, all_bars.timeframe, all_bars.bar_ts
),

-- windows without a partition stream through the rows in order: nothing is sorted again
counted as (
    select
        *,
        row_number() over () as row_number,
        lag(symbol) over () as symbol_before,
        lag(timeframe) over () as timeframe_before,
        lag(session_date) over () as session_date_before
    from ordered
),

firsts as (
    select
        *,
        case
            when symbol_before is null or symbol != symbol_before or timeframe != timeframe_before
                then row_number
        end as first_of_series,
        case
            when
                symbol_before is null
                or symbol != symbol_before
                or timeframe != timeframe_before
                or session_date != session_date_before
                then row_number
        end as first_of_session
    from counted
),

started as (
    select
        *,
        max(first_of_series) over to_date as series_row_number,
        max(first_of_session) over to_date as session_row_number
    from firsts
    window to_date as (rows unbounded preceding) -- noqa: PRS
),

-- how many bars each series already has before the first that is built now
built as (
    {%- if built is not none %}
    select
        symbol,
        timeframe,
        count(*) as bar_count
    from {{ built }}
    group by symbol, timeframe
    {%- else %}
    select
        null::varchar as symbol,
        null::varchar as timeframe,
        0::bigint as bar_count
    where false
    {%- endif %}
),

final as (
    select
        started.symbol,
        started.timeframe,
        started.bar_ts,
        started.bar_end,
        started.session_date,
        coalesce(built.bar_count, 0) + started.row_number - started.series_row_number as bar_number,
        started.row_number - started.session_row_number as session_bar_number,
        started.open,
        started.high,
        started.low,
        started.close,
        started.volume,
        started.open * started.adjustment_factor as adjusted_open,
        started.high * started.adjustment_factor as adjusted_high,
        started.low * started.adjustment_factor as adjusted_low,
        started.close * started.adjustment_factor as adjusted_close,
        started.volume / started.adjustment_factor as adjusted_volume,
        started.adjustment_factor,
        started.adjustment_factor_total,
        started.calendar,
        started.source
    from started
    left join built using (symbol, timeframe)
)

select * from final
{%- endmacro %}
