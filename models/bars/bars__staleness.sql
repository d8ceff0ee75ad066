{#-
    A view, because lateness depends on the clock, and stored tables depend on the data alone. It
    omits the database's name, so that it can be read whatever the file is attached as.
-#}
{{ config(materialized='view') }}
{%- set instant = 'now()' -%}
{%- if var('as_of') -%}
    {%- set instant = "timezone('UTC', timestamp '" ~ var('as_of') ~ "')" -%}
{%- endif %}

with

last_bars as (
    select * from {{ ref('bars__last_bars').include(database=false) }}
),

sessions as (
    select * from {{ ref('bars__sessions').include(database=false) }}
),

calendars as (
    select * from {{ ref('calendars').include(database=false) }}
),

-- the last session that has closed by then, by the clock of its exchange
closed as (
    select
        sessions.calendar,
        max(sessions.session_date) as closed_session_date,
        max(sessions.session_number) as closed_session_number
    from sessions
    inner join calendars using (calendar)
    where sessions.close_ts <= timezone(calendars.timezone, {{ instant }})
    group by sessions.calendar
),

markets as (
    select
        *,
        max(last_session_date) over (partition by calendar, timeframe) as market_session_date
    from last_bars
)

select
    markets.symbol,
    markets.timeframe,
    markets.calendar,
    markets.last_bar_end,
    markets.last_session_date,
    markets.market_session_date,
    market_day.session_number - own_day.session_number as sessions_behind,
    closed.closed_session_date,
    -- a session that is still on is ahead of the last completed one
    greatest(closed.closed_session_number - own_day.session_number, 0) as sessions_behind_now
from markets
inner join sessions as own_day
    on
        markets.calendar = own_day.calendar
        and markets.last_session_date = own_day.session_date
inner join sessions as market_day
    on
        markets.calendar = market_day.calendar
        and markets.market_session_date = market_day.session_date
left join closed on markets.calendar = closed.calendar
