-- The P&L of a session's trades is not its change of equity, or a session does not begin with the
-- equity of the one before: sizes were computed from an amount that the account does not have.
{{- config(group='backtests') }}

with

runs as (
    select * from {{ ref('backtests__runs') }}
),

equity as (
    select * from {{ ref('backtests__equity') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
),

fills as (
    select * from {{ ref('backtests__fills') }}
),

traded as (
    select
        run_id,
        session_date,
        sum(net_pnl_amount) as net_pnl_amount
    from trades
    group by run_id, session_date
),

last_fills as (
    select
        run_id,
        session_date,
        arg_max(equity_amount, fill_number) as equity_amount,
        arg_max(positions_amount, fill_number) as positions_amount
    from fills
    group by run_id, session_date
),

compared as (
    select
        equity.run_id,
        equity.session_date,
        equity.opening_amount,
        equity.equity_amount,
        coalesce(traded.net_pnl_amount, 0) as net_pnl_amount,
        coalesce(
            lag(equity.equity_amount) over (
                partition by equity.run_id order by equity.session_date
            ),
            runs.capital_amount
        ) as left_amount,
        coalesce(last_fills.equity_amount, equity.equity_amount) as filled_amount,
        coalesce(last_fills.positions_amount, 0) as positions_amount
    from equity
    inner join runs using (run_id)
    left join traded
        on equity.run_id = traded.run_id and equity.session_date = traded.session_date
    left join last_fills
        on equity.run_id = last_fills.run_id and equity.session_date = last_fills.session_date
)

select * from compared
where
    equity_amount != opening_amount + net_pnl_amount
    or opening_amount != left_amount
    or equity_amount != filled_amount
    or positions_amount != 0
