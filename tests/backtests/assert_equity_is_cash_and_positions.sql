-- After some fill, equity is not cash plus positions at cost: equity is computed from the capital
-- and the closed trades, cash and positions from the fills.
{{- config(group='backtests') }}

with

runs as (
    select * from {{ ref('backtests__runs') }}
),

fills as (
    select * from {{ ref('backtests__fills') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
),

-- a closed trade has realized its whole P&L, an open one has paid the costs of its entry
earned as (
    select
        fills.run_id,
        fills.fill_number,
        sum(
            if(
                fills.event = 'exit',
                trades.net_pnl_amount
                + trades.entry_slippage_amount + trades.entry_charges_amount,
                -trades.entry_slippage_amount - trades.entry_charges_amount
            )
        ) over (
            partition by fills.run_id
            order by fills.fill_number
            rows between unbounded preceding and current row
        ) as earned_amount
    from fills
    inner join trades using (run_id, signal_id)
),

held as (
    select
        fills.run_id,
        fills.fill_number,
        sum(
            if(fills.event = 'entry', 1, -1)
            * if(trades.direction = 'long', 1, -1) * trades.entry_amount
        ) over (
            partition by fills.run_id
            order by fills.fill_number
            rows between unbounded preceding and current row
        ) as held_amount
    from fills
    inner join trades using (run_id, signal_id)
)

select
    run_id,
    fill_number,
    fills.cash_amount,
    fills.positions_amount,
    fills.equity_amount
from fills
inner join runs using (run_id)
inner join earned using (run_id, fill_number)
inner join held using (run_id, fill_number)
where
    fills.equity_amount != fills.cash_amount + fills.positions_amount
    or fills.equity_amount != runs.capital_amount + earned.earned_amount
    or fills.positions_amount != held.held_amount
