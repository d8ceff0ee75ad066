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
        symbol_days.is_contested
    from daily_bars
    inner join stale_symbols using (symbol)
    inner join symbol_days using (symbol, session_date)
    where daily_bars.session_date >= stale_symbols.stale_week_from
),

ruled as not materialized (
    {{ ruled_rows('stale_bars', 'daily') | indent }}
),

{{ preferred_rows('ruled', ['symbol', 'session_date']) }}

select * from final
