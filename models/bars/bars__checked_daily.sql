{{ config(materialized='ephemeral') }}

with

daily_bars as (
    select * from {{ ref('stg_raw__daily_bars') }}
),

stale_symbols as (
    select * from {{ ref('bars__stale_symbols') }}
),

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
),

delivered_days as (
    select * from {{ ref('bars__delivered_days') }}
    where kind = 'daily'
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
        daily_bars.*,
        daily_bars.session_date >= stale_symbols.stale_from as is_stale_day,
        daily_bars.session_date::timestamp as starts_at
    from daily_bars
    inner join stale_symbols using (symbol)
    where daily_bars.session_date >= stale_symbols.stale_week_from
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
            {{ broken_time_rule('starts_at', 'coalesce(sessions.close_ts, starts_at)') }},
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

{{ preferred_rows('ruled', ['symbol', 'session_date']) }}

select * from final
