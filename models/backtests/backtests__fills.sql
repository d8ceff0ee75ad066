with

runs as (
    select * from {{ ref('backtests__runs') }}
),

trades as (
    select
        *,
        if(direction = 'long', 1, -1) as side
    from {{ ref('backtests__trades') }}
),

-- an open position is valued at cost
changes as (
    select
        run_id,
        signal_id,
        session_date,
        signal_rank,
        symbol,
        'entry' as event,
        entry_ts as fill_ts,
        side * quantity as quantity,
        entry_price as fill_price,
        -side * entry_amount - entry_slippage_amount - entry_charges_amount as cash_change,
        side * entry_amount as positions_change
    from trades
    union all
    select
        run_id,
        signal_id,
        session_date,
        signal_rank,
        symbol,
        'exit' as event,
        marked_exit_ts as fill_ts,
        -side * quantity as quantity,
        marked_exit_price as fill_price,
        side * exit_amount - exit_slippage_amount - exit_charges_amount as cash_change,
        -side * entry_amount as positions_change
    from trades
),

final as (
    select
        run_id,
        row_number() over fills_to_date as fill_number,
        signal_id,
        session_date,
        symbol,
        event,
        fill_ts,
        quantity::bigint as quantity,
        fill_price,
        (runs.capital_amount + sum(cash_change) over fills_to_date)::decimal(18, 4) as cash_amount,
        (sum(positions_change) over fills_to_date)::decimal(18, 4) as positions_amount,
        (cash_amount + positions_amount)::decimal(18, 4) as equity_amount
    from changes
    inner join runs using (run_id)
    window
        fills_to_date as (
            partition by run_id
            order by fill_ts, event, signal_rank, signal_id
            rows between unbounded preceding and current row
        )
)

select * from final
order by run_id, fill_number
