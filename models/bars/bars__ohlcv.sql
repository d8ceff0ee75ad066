{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ stale_rows_deleted(this) }}",
) }}
{#- Each timeframe is made of the one before it, so its length is a multiple of that one's. -#}
{%- set intraday = [('1m', '5m', 5), ('5m', '15m', 15), ('15m', '30m', 30), ('30m', '1h', 60)] -%}

with

checked_daily as (
    select * from {{ ref('bars__checked_daily') }}
),

checked_minutes as (
    select * from {{ ref('bars__checked_minutes') }}
),

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

bars_1m as materialized (
    select
        symbol,
        '1m' as timeframe,
        bar_ts,
        bar_ts + interval 1 minute as bar_end,
        session_date,
        open_ts,
        close_ts,
        open,
        high,
        low,
        close,
        volume,
        calendar,
        source
    from checked_minutes
    where broken_rule is null and preference = 1
),
{% for shorter, timeframe, minutes in intraday %}
bars_{{ timeframe }} as {{ 'not ' if loop.last }}materialized (
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
        {{ exact_sum('volume') }} as volume,
        calendar,
        if(min(source) = max(source), min(source), 'mixed') as source
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
        high,
        low,
        close,
        volume,
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
        {{ exact_sum('volume') }} as volume,
        calendar,
        if(min(source) = max(source), min(source), 'mixed') as source
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

bars_of_days as (
    {%- for timeframe in ['1m', '5m', '15m', '30m', '1h', '1d'] %}
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

-- bars that are over by the time the data of their market ends, in shares of today
adjusted_bars as (
    select
        bars.*,
        bars.open * symbol_days.adjustment_factor as adjusted_open,
        bars.high * symbol_days.adjustment_factor as adjusted_high,
        bars.low * symbol_days.adjustment_factor as adjusted_low,
        bars.close * symbol_days.adjustment_factor as adjusted_close,
        bars.volume / symbol_days.adjustment_factor as adjusted_volume,
        symbol_days.adjustment_factor,
        symbol_days.adjustment_factor_total,
        symbol_days.known_until
    from bars_of_days as bars
    inner join symbol_days using (symbol, session_date)
    where bars.bar_end <= symbol_days.known_until
),

-- of adjusted days, since a share may be split within a week
bars_1w as (
    select
        days.symbol,
        '1w' as timeframe,
        min(days.bar_ts) as bar_ts,
        sessions.week_close_ts as bar_end,
        max(days.session_date) as session_date,
        arg_min(days.open, days.bar_ts) as open,
        max(days.high) as high,
        min(days.low) as low,
        arg_max(days.close, days.bar_ts) as close,
        {{ exact_sum('days.volume') }} as volume,
        days.calendar,
        if(min(days.source) = max(days.source), min(days.source), 'mixed') as source,
        arg_min(days.adjusted_open, days.bar_ts) as adjusted_open,
        max(days.adjusted_high) as adjusted_high,
        min(days.adjusted_low) as adjusted_low,
        arg_max(days.adjusted_close, days.bar_ts) as adjusted_close,
        {{ exact_sum('days.adjusted_volume') }} as adjusted_volume,
        arg_max(days.adjustment_factor, days.bar_ts) as adjustment_factor,
        arg_max(days.adjustment_factor_total, days.bar_ts) as adjustment_factor_total,
        max(days.known_until) as known_until
    from adjusted_bars as days
    inner join sessions using (calendar, session_date)
    where days.timeframe = '1d'
    group by days.symbol, days.calendar, sessions.week_close_ts
    having sessions.week_close_ts <= max(days.known_until)
),

bars as (
    select * from adjusted_bars
    union all by name
    select * from bars_1w
),

-- how many bars are there already, before the first that is built now
built as (
    {%- if is_incremental() %}
    select
        symbol,
        timeframe,
        count(*) as bar_count
    from {{ this }}
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
        bars.symbol,
        bars.timeframe,
        bars.bar_ts,
        bars.bar_end,
        bars.session_date,
        coalesce(built.bar_count, 0) + row_number() over (
            partition by bars.symbol, bars.timeframe order by bars.bar_ts
        ) - 1 as bar_number,
        row_number() over (
            partition by bars.symbol, bars.timeframe, bars.session_date order by bars.bar_ts
        ) - 1 as session_bar_number,
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        bars.adjusted_open,
        bars.adjusted_high,
        bars.adjusted_low,
        bars.adjusted_close,
        bars.adjusted_volume,
        bars.adjustment_factor,
        bars.adjustment_factor_total,
        bars.calendar,
        bars.source
    from bars
    left join built using (symbol, timeframe)
)

select * from final
order by symbol, timeframe, bar_ts
