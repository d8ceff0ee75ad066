{{ config(post_hook="{{ stale_list_record(['bars__ohlcv'], hash_of_stale_symbols()) }}") }}
-- depends_on: {{ ref('bars__ohlcv') }}
{%- set built_through -%}
(
    select coalesce(min(built_through), 0)
    from {{ build_state() }}
    where model in ('indicators__{{ families() | join("', 'indicators__") }}')
)
{%- endset %}

with

-- families that were not built yet are built from all bars
stale_symbols as (
    {{ stale_symbols_query(built_through) }}
),

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

calendars as (
    select
        symbol,
        any_value(calendar) as calendar
    from symbol_days
    group by symbol
),

-- a session may open on the evening before its date
openings as (
    select
        stale_symbols.symbol,
        min(sessions.open_ts) filter (
            sessions.session_date >= stale_symbols.stale_from
        ) as stale_from_ts,
        min(sessions.open_ts) as stale_week_from_ts
    from stale_symbols
    inner join calendars using (symbol)
    inner join sessions
        on
            calendars.calendar = sessions.calendar
            and stale_symbols.stale_week_from <= sessions.session_date
    group by stale_symbols.symbol
)

select
    stale_symbols.symbol,
    stale_symbols.stale_from,
    -- a symbol that is no longer delivered has no calendar, and its rows are deleted
    case
        when isfinite(stale_symbols.stale_from)
            then coalesce(openings.stale_from_ts, '-infinity'::timestamp)
        else 'infinity'::timestamp
    end as stale_from_ts,
    coalesce(openings.stale_week_from_ts, '-infinity'::timestamp) as stale_week_from_ts
from stale_symbols
left join openings using (symbol)
order by stale_symbols.symbol
