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

trades as (
    select * from {{ ref('backtests__trades') }}
),

run_sessions as (
    select
        runs.run_id,
        runs.scanner,
        runs.setting,
        calendars.sessions_per_year,
        equity.session_date,
        equity.session_count as session_position,
        equity.session_return,
        settings.in_sample_pct,
        settings.fold_count,
        count(*) over (partition by runs.run_id) as run_session_count,
        -- sum of returns that is available to a walk-forward choice before the session
        sum(equity.session_return::decimal(18, 12)) over (
            partition by runs.run_id
            order by equity.session_date
            rows between unbounded preceding and 1 preceding
        ) as return_before
    from equity
    inner join runs using (run_id)
    inner join settings using (setting)
    inner join calendars on runs.calendar = calendars.calendar
),

fold_sessions as (
    select
        *,
        if(
            session_position <= floor(run_session_count * in_sample_pct / 100),
            'in_sample',
            'out_of_sample'
        ) as fold
    from run_sessions
    union all
    select
        *,
        'walk_' || (1 + (session_position - 1) * fold_count // run_session_count) as fold
    from run_sessions
),

daily as (
    select
        run_id,
        scanner,
        setting,
        fold,
        min(session_date) as first_session,
        max(session_date) as last_session,
        any_value(sessions_per_year) as sessions_per_year,
        count(*) as session_count,
        list(session_return order by session_date) as session_returns,
        -- nothing is available before the first session
        if(min(session_position) = 1, null, arg_min(return_before, session_date)) as return_before
    from fold_sessions
    group by run_id, scanner, setting, fold
),

traded as (
    select
        daily.run_id,
        daily.fold,
        count(*) as trade_count,
        count(*) filter (where trades.net_pnl_amount > 0) as win_count,
        sum(trades.net_return_pct)::double / count(*) as mean_trade_pct,
        sum(trades.net_pnl_amount)::decimal(18, 4) as net_pnl_amount
    from daily
    inner join trades
        on
            daily.run_id = trades.run_id
            and trades.session_date between daily.first_session and daily.last_session
    group by daily.run_id, daily.fold
),

final as (
    select
        daily.run_id,
        daily.fold,
        daily.first_session,
        daily.last_session,
        daily.session_count,
        coalesce(traded.trade_count, 0) as trade_count,
        100 * traded.win_count / traded.trade_count as win_rate_pct,
        traded.mean_trade_pct,
        coalesce(traded.net_pnl_amount, 0)::decimal(18, 4) as net_pnl_amount,
        100 * (list_product(list_transform(daily.session_returns, lambda x: 1 + x)) - 1)
            as return_pct,
        if(
            daily.session_count >= {{ min_year_sessions() }},
            list_avg(daily.session_returns)
            / nullif(list_aggregate(daily.session_returns, 'stddev_samp'), 0)
            * sqrt(daily.sessions_per_year),
            null
        ) as sharpe_ratio,
        coalesce(
            daily.return_before is not null
            and starts_with(daily.fold, 'walk_')
            and row_number() over (
                partition by daily.scanner, daily.setting, daily.fold
                order by daily.return_before desc nulls last, daily.run_id
            ) = 1,
            false
        ) as is_chosen
    from daily
    left join traded using (run_id, fold)
)

select * from final
order by run_id, first_session, fold
