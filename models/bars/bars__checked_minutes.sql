{{ config(materialized='ephemeral') }}

with

minute_bars as (
    select * from {{ ref('bars__delivered_minutes') }}
),

stale_symbols as (
    select * from {{ ref('bars__stale_symbols') }}
),

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
),

delivered_days as (
    select * from {{ ref('bars__delivered_days') }}
    where kind = 'minute'
),

calendars as (
    select * from {{ ref('calendars') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

precedences as (
    select * from {{ ref('source_precedence') }}
),

stale_bars as (
    select
        minute_bars.*,
        minute_bars.session_date >= stale_symbols.stale_from as is_stale_day
    from minute_bars
    inner join stale_symbols using (symbol)
    where minute_bars.session_date >= stale_symbols.stale_week_from
),

ruled as not materialized (
    select
        stale_bars.*,
        sessions.open_ts,
        sessions.close_ts,
        symbol_days.is_contested,
        coalesce(precedences.precedence, 0) as precedence,
        coalesce(
            if(delivered_days.is_of_another_calendar, 'symbol_of_another_calendar', null),
            {{ broken_price_rule() }},
            {{ broken_time_rule('bar_ts', 'bar_ts + interval 1 minute') }},
            if(
                list_bool_or(
                    list_transform(
                        sessions.parts,
                        lambda part: bar_ts >= part.open_ts and bar_ts < part.close_ts
                    )
                ), null, 'out_of_session'
            ),
            if(delivered_days.is_copied, 'copied_across_symbols', null)
        ) as broken_rule
    from stale_bars
    inner join symbol_days using (symbol, session_date)
    inner join delivered_days using (symbol, session_date, delivery)
    left join calendars on stale_bars.calendar = calendars.calendar
    left join sessions
        on
            stale_bars.calendar = sessions.calendar
            and stale_bars.session_date = sessions.session_date
    left join precedences on stale_bars.source = precedences.source
),

{{ preferred_rows('ruled', ['symbol', 'session_date', 'bar_ts']) }}

select * from final
