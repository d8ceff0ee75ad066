{{ config(access='private') }}

with

runs as (
    select * from {{ ref('backtests__runs') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
    where benchmark is not null
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

-- lists are ordered, since a sum of floating-point numbers depends on the order
pairs as (
    select
        run_id,
        settings.benchmark,
        any_value(calendars.sessions_per_year) as sessions_per_year,
        count(*) as benchmark_count,
        list(equity.session_return order by session_date) as run_returns,
        list(benchmark_returns.benchmark_return order by session_date) as benchmark_returns,
        list(
            equity.session_return - benchmark_returns.benchmark_return order by session_date
        ) as active_returns
    from runs
    inner join settings using (setting)
    inner join calendars on runs.calendar = calendars.calendar
    inner join equity using (run_id)
    inner join benchmark_returns using (setting, session_date)
    where equity.session_return is not null and benchmark_returns.benchmark_return is not null
    group by run_id, settings.benchmark
),

deviations as (
    select
        *,
        list_avg(run_returns) as run_mean,
        list_avg(benchmark_returns) as benchmark_mean,
        list_avg(active_returns) as active_mean,
        list_transform(run_returns, lambda x: x - run_mean) as run_deviations,
        list_transform(benchmark_returns, lambda x: x - benchmark_mean) as benchmark_deviations,
        list_aggregate(active_returns, 'stddev_samp') as active_deviation,
        list_dot_product(run_deviations, benchmark_deviations) as cross_product,
        list_dot_product(run_deviations, run_deviations) as run_square,
        list_dot_product(benchmark_deviations, benchmark_deviations) as benchmark_square
    from pairs
),

final as (
    select
        run_id,
        benchmark,
        benchmark_count,
        100 * (list_product(list_transform(run_returns, lambda x: 1 + x)) - 1) as run_return_pct,
        100 * (list_product(list_transform(benchmark_returns, lambda x: 1 + x)) - 1)
            as benchmark_return_pct,
        run_return_pct - benchmark_return_pct as excess_return_pct,
        if(
            benchmark_count >= {{ min_year_sessions() }},
            cross_product / nullif(benchmark_square, 0),
            null
        ) as beta,
        if(
            benchmark_count >= {{ min_year_sessions() }},
            cross_product / nullif(sqrt(run_square * benchmark_square), 0),
            null
        ) as benchmark_correlation,
        if(
            benchmark_count >= {{ min_year_sessions() }},
            100 * active_deviation * sqrt(sessions_per_year),
            null
        ) as tracking_error_pct,
        if(
            benchmark_count >= {{ min_year_sessions() }},
            active_mean / nullif(active_deviation, 0) * sqrt(sessions_per_year),
            null
        ) as information_ratio
    from deviations
)

select * from final
order by run_id
