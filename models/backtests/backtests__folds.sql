with

runs as (
    select * from {{ ref('backtests__runs') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
),

session_returns as (
    select * from {{ ref('backtests__session_returns') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
),

run_sessions as (
    select
        session_returns.*,
        runs.scanner,
        runs.setting,
        settings.in_sample_pct,
        settings.fold_count,
        count(*) over (partition by run_id) as run_session_count,
        -- sum of returns that a walk-forward choice knows before the session; NULL on the first
        sum(session_returns.session_return::decimal(18, 12)) over (
            partition by run_id
            order by session_returns.session_date
            rows between unbounded preceding and 1 preceding
        ) as return_before
    from session_returns
    inner join runs using (run_id)
    inner join settings using (setting)
),

fold_sessions as (
    select
        *,
        if(
            session_number <= floor(run_session_count * in_sample_pct / 100),
            'in_sample',
            'out_of_sample'
        ) as fold
    from run_sessions
    union all
    select
        *,
        'walk_' || (1 + (session_number - 1) * fold_count // run_session_count) as fold
    from run_sessions
),

folds as (
    select
        run_id,
        scanner,
        setting,
        fold,
        {{ return_figures('whole', 'sessions_per_year') | indent(8) }},
        return_before
    from fold_sessions
    window whole as (partition by run_id, fold)
    qualify row_number() over (partition by run_id, fold order by session_date) = 1
),

traded as (
    select
        folds.run_id,
        folds.fold,
        count(*) as trade_count,
        count(*) filter (where trades.net_pnl_amount > 0) as win_count,
        sum(trades.net_return)::double / count(*) as mean_trade_return,
        sum(trades.net_pnl_amount)::decimal(18, 4) as net_pnl_amount
    from folds
    inner join trades
        on
            folds.run_id = trades.run_id
            and trades.session_date between folds.first_session_date and folds.last_session_date
    group by folds.run_id, folds.fold
),

final as (
    select
        folds.run_id,
        folds.fold,
        folds.first_session_date,
        folds.last_session_date,
        folds.session_count,
        coalesce(traded.trade_count, 0) as trade_count,
        traded.win_count / traded.trade_count as win_rate,
        traded.mean_trade_return,
        coalesce(traded.net_pnl_amount, 0)::decimal(18, 4) as net_pnl_amount,
        folds.cumulative_return,
        folds.sharpe_ratio,
        coalesce(
            folds.return_before is not null
            and starts_with(folds.fold, 'walk_')
            and row_number() over (
                partition by folds.scanner, folds.setting, folds.fold
                order by folds.return_before desc nulls last, folds.run_id
            ) = 1,
            false
        ) as is_chosen
    from folds
    left join traded using (run_id, fold)
)

select * from final
order by run_id, first_session_date, fold
