with

runs as (
    select * from {{ ref('backtests__runs') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
),

equity as (
    select * from {{ ref('backtests__equity') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

final as (
    select
        run_id,
        session_date,
        equity.session_number,
        earlier.session_date as prior_session_date,
        calendars.sessions_per_year,
        -- an account without money neither gains nor loses
        coalesce(equity.session_return, 0) as session_return,
        settings.benchmark,
        equity.benchmark_return,
        0 as stale_price_count,
        0::double as risk_free_return,
        0::double as min_acceptable_return
    from equity
    inner join runs using (run_id)
    inner join calendars using (calendar)
    inner join settings using (setting)
    inner join sessions using (calendar, session_date)
    left join sessions as earlier
        on
            sessions.calendar = earlier.calendar
            and sessions.session_number - 1 = earlier.session_number
)

select * from final
order by run_id, session_date
