{{ config(access='private') }}

with

signals as (
    select * from {{ ref('backtests__signals') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1m'
),

moments as (
    select distinct
        calendar,
        session_date,
        known_at,
        session_date + exit_time::time as latest_exit_ts
    from signals
),

-- of a day's bars only the first and the last of each stretch count, which arg_min and arg_max keep
stretches as (
    select
        bars.calendar,
        moments.session_date,
        moments.known_at,
        moments.latest_exit_ts,
        bars.symbol,
        arg_min(bars.open, bars.bar_ts) as entry_open,
        arg_max(bars.close, bars.bar_ts) as last_close
    from bars
    inner join moments
        on
            bars.calendar = moments.calendar
            and bars.session_date = moments.session_date
            and bars.bar_ts >= moments.known_at
            and bars.bar_end <= moments.latest_exit_ts
    group by
        bars.calendar,
        moments.session_date,
        moments.known_at,
        moments.latest_exit_ts,
        bars.symbol
),

final as (
    select
        calendar,
        session_date,
        known_at,
        latest_exit_ts,
        list({{ change_pct('last_close', 'entry_open', 'entry_open') }} order by symbol)
            as held_return_pcts,
        map_from_entries(
            list(
                (symbol, {{ change_pct('last_close', 'entry_open', 'entry_open') }})
                order by symbol
            )
        ) as held_return_pct_by_symbol
    from stretches
    group by calendar, session_date, known_at, latest_exit_ts
)

select * from final
order by calendar, session_date, known_at, latest_exit_ts
