with

runs as (
    select * from {{ ref('backtests__runs') }}
),

accounts as (
    select * from {{ ref('backtests__session_accounts') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

{{ benchmark_returns('settings', 'setting') }},

traded as (
    select
        run_id,
        session_date,
        count(*) as trade_count,
        sum(gross_pnl_amount)::decimal(18, 4) as gross_pnl_amount,
        sum(net_pnl_amount)::decimal(18, 4) as net_pnl_amount,
        sum(entry_amount + exit_amount)::decimal(18, 4) as traded_amount,
        sum(entry_amount * held_minutes)::double as amount_minutes
    from trades
    group by run_id, session_date
),

daily as (
    select
        accounts.run_id,
        accounts.session_date,
        accounts.session_number,
        accounts.opening_amount,
        accounts.equity_amount,
        runs.capital_amount,
        coalesce(traded.trade_count, 0) as trade_count,
        coalesce(traded.gross_pnl_amount, 0)::decimal(18, 4) as gross_pnl_amount,
        coalesce(traded.net_pnl_amount, 0)::decimal(18, 4) as net_pnl_amount,
        coalesce(traded.traded_amount, 0)::decimal(18, 4) as traded_amount,
        coalesce(traded.amount_minutes, 0) / sessions.open_minutes as held_amount,
        benchmark_returns.benchmark_close,
        benchmark_returns.benchmark_prior_close,
        benchmark_returns.benchmark_return
    from accounts
    inner join runs using (run_id)
    inner join sessions
        on
            runs.calendar = sessions.calendar
            and accounts.session_date = sessions.session_date
    left join traded
        on
            accounts.run_id = traded.run_id
            and accounts.session_date = traded.session_date
    left join benchmark_returns
        on
            runs.setting = benchmark_returns.setting
            and accounts.session_date = benchmark_returns.session_date
),

peaks as (
    select
        *,
        greatest(capital_amount, max(equity_amount) over to_date) as peak_amount,
        {{ benchmark_growth('to_date') | indent(8) }} - 1 as benchmark_cumulative_return
    from daily
    window to_date as (
        partition by run_id order by session_date
        rows between unbounded preceding and current row
    )
),

final as (
    select
        run_id,
        session_date,
        session_number,
        trade_count,
        opening_amount,
        gross_pnl_amount,
        net_pnl_amount,
        equity_amount,
        (equity_amount - opening_amount)::double / nullif(opening_amount::double, 0)
            as session_return,
        (equity_amount - capital_amount)::double / capital_amount::double as cumulative_return,
        peak_amount,
        {{ drawdown('equity_amount::double', 'peak_amount::double') }} as drawdown,
        traded_amount,
        held_amount / nullif(opening_amount::double, 0) as exposure_ratio,
        benchmark_return,
        benchmark_cumulative_return
    from peaks
)

select * from final
order by run_id, session_date
