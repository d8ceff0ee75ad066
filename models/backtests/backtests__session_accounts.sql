{#-
    Shares are whole numbers and are bought with the equity that the sessions before have left, so
    each session depends on the one before: a recursion over all runs at once, with one step for
    each session with signals. In the sessions in between, equity does not change.
-#}
{#- Sums of money spent before a trade have the same last digit in any order of addition. -#}
{%- set exact = 'decimal(38, 10)' %}

with recursive

runs as (
    select * from {{ ref('backtests__runs') }}
),

signals as (
    select * from {{ ref('backtests__tradable_signals') }}
),

run_sessions as (
    select
        runs.run_id,
        sessions.session_date,
        row_number() over (
            partition by runs.run_id order by sessions.session_date
        ) as session_number
    from runs
    inner join {{ ref('bars__sessions') }} as sessions
        on
            runs.calendar = sessions.calendar
            and sessions.session_date between runs.first_session_date and runs.last_session_date
),

-- materialized, since a recursion reads it again in each of its steps
steps as materialized (
    select
        signals.*,
        dense_rank() over (
            partition by signals.run_id order by signals.session_date
        ) as step
    from signals
    inner join run_sessions using (run_id, session_date)
    where
        -- one position per symbol, and at most max_positions at once
        signals.symbol_rank = 1
        and signals.entry_rank <= signals.max_positions
),

accounts as (
    select
        run_id,
        0::bigint as step,
        first_session_date - 1 as session_date,
        capital_amount as opening_amount,
        capital_amount as equity_amount,
        []::struct(signal_id varchar, quantity bigint)[] as trades
    from runs
    union all
    select
        run_id,
        step,
        session_date,
        opening_amount,
        opening_amount + coalesce(sum(net_pnl_amount), 0)::decimal(18, 4) as equity_amount,
        list(struct_pack(signal_id := signal_id, quantity := quantity) order by entry_rank) filter (
            where quantity > 0
        ) as trades
    from (
        select
            *,
            side * (
                (quantity * marked_exit_price)::decimal(18, 4)
                - (quantity * entry_price)::decimal(18, 4)
            )
            - {{ slippage('quantity', 'entry_price', 'slippage_bps') }}
            - if(
                exit_reason = 'target', 0,
                {{ slippage('quantity', 'marked_exit_price', 'slippage_bps') }}
            )
            - {{ total_charges('buy_charges') }}
            - {{ total_charges('sell_charges') }} as net_pnl_amount
        from (
            select
                *,
                {{ fill_charges('buy', 'quantity', 'buy_price', 'orders') }} as buy_charges,
                {{ fill_charges('sell', 'quantity', 'sell_price', 'orders') }} as sell_charges
            from (
                select
                    *,
                    if(side = 1, entry_price, marked_exit_price) as buy_price,
                    if(side = 1, marked_exit_price, entry_price) as sell_price,
                    -- the last order that fits is reduced, and those after it are left out
                    greatest(0, least(
                        sector_quantity,
                        floor(
                            (
                                opening_amount::double * max_leverage_ratio
                                - order_cost
                                - coalesce(sum(
                                    (sector_quantity * unit_cost + order_cost)::{{ exact }}
                                ) over (
                                    partition by run_id
                                    order by entry_rank
                                    rows between unbounded preceding and 1 preceding
                                ), 0)::double
                            ) / unit_cost
                        )
                    ))::bigint as quantity
                from (
                    select
                        * exclude (requested_quantity),
                        -- within a sector, too, the last order that fits is reduced
                        if(
                            max_sector_pct is null,
                            requested_quantity,
                            greatest(0, least(
                                requested_quantity,
                                floor(
                                    (
                                        opening_amount::double * max_sector_pct / 100
                                        - coalesce(sum(
                                            (requested_quantity * entry_price)::{{ exact }}
                                        ) over (
                                            partition by run_id, sector
                                            order by entry_rank
                                            rows between unbounded preceding and 1 preceding
                                        ), 0)::double
                                    ) / entry_price
                                )
                            ))
                        ) as sector_quantity
                    from (
                        select
                            accounts.equity_amount as opening_amount,
                            steps.*,
                            coalesce(floor(least(
                                coalesce(
                                    {{ position_amount('accounts.equity_amount::double') }}, 0
                                ) / steps.entry_price,
                                accounts.equity_amount::double * steps.max_symbol_pct / 100
                                / steps.entry_price,
                                coalesce(steps.entry_bar_volume, 0)
                                * steps.max_participation_pct / 100
                            )), 0) as requested_quantity
                        from accounts
                        inner join steps
                            on accounts.run_id = steps.run_id and steps.step = accounts.step + 1
                    ) as requests
                ) as sector_orders
            ) as orders
        ) as charged_orders
    ) as results
    group by run_id, step, session_date, opening_amount
),

final as (
    select
        run_sessions.run_id,
        run_sessions.session_date,
        run_sessions.session_number,
        if(
            accounts.session_date = run_sessions.session_date,
            accounts.opening_amount, accounts.equity_amount
        ) as opening_amount,
        accounts.equity_amount,
        if(
            accounts.session_date = run_sessions.session_date, coalesce(accounts.trades, []), []
        ) as trades
    from run_sessions
    asof inner join accounts
        on
            run_sessions.run_id = accounts.run_id
            and run_sessions.session_date >= accounts.session_date
)

select * from final
order by run_id, session_date
