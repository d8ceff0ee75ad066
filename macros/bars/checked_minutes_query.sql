{% macro checked_minutes_query(
    minute_bars, stale_symbols, symbol_days, delivered_days, calendars, sessions, precedences
) -%}
with

minute_bars as (
    select * from {{ minute_bars }}
),

stale_symbols as (
    select * from {{ stale_symbols }}
),

symbol_days as (
    select * from {{ symbol_days }}
),

delivered_days as (
    select * from {{ delivered_days }}
),

calendars as (
    select * from {{ calendars }}
),

sessions as (
    select * from {{ sessions }}
),

precedences as (
    select * from {{ precedences }}
),

stale_bars as (
    select
        minute_bars.*,
        minute_bars.session_date >= stale_symbols.stale_from as is_stale_day,
        symbol_days.is_contested
    from minute_bars
    inner join stale_symbols using (symbol)
    inner join symbol_days using (symbol, session_date)
    where minute_bars.session_date >= stale_symbols.stale_week_from
),

ruled as not materialized (
    {{ ruled_rows('stale_bars', 'minute') | indent }}
),

{{ preferred_rows('ruled', ['symbol', 'session_date', 'bar_ts']) }}

select * from final
{%- endmacro %}
