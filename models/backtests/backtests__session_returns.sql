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

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

{{ benchmark_returns('settings', 'setting') }},

final as (
    select
        run_id,
        session_date,
        equity.session_number,
        session_pairs.prior_session_date,
        calendars.sessions_per_year,
        -- an account without money neither gains nor loses
        coalesce(equity.session_return, 0) as session_return,
        settings.benchmark,
        benchmark_returns.benchmark_return,
        0 as stale_price_count,
        0::double as risk_free_return,
        0::double as min_acceptable_return
    from equity
    inner join runs using (run_id)
    inner join calendars using (calendar)
    inner join settings using (setting)
    left join session_pairs using (calendar, session_date)
    left join benchmark_returns using (setting, session_date)
)

select * from final
order by run_id, session_date
