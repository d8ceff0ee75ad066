with

accounts as (
    select * from {{ ref('backtests__session_accounts') }}
),

signals as (
    select * from {{ ref('backtests__tradable_signals') }}
),

bought as (
    select
        run_id,
        unnest(trades) as trade
    from accounts
),

priced as (
    select
        signals.*,
        bought.trade['quantity'] as quantity,
        if(signals.side = 1, signals.entry_price, signals.marked_exit_price) as buy_price,
        if(signals.side = 1, signals.marked_exit_price, signals.entry_price) as sell_price
    from bought
    inner join signals
        on bought.run_id = signals.run_id
            and bought.trade['signal_id'] = signals.signal_id
),

charged as (
    select
        *,
        {{ slippage('quantity', 'entry_price', 'slippage_bps') }} as entry_slippage_amount,
        if(
            exit_reason = 'target', 0,
            {{ slippage('quantity', 'marked_exit_price', 'slippage_bps') }}
        )::decimal(18, 4) as exit_slippage_amount,
        {{ fill_charges('buy', 'priced.quantity', 'priced.buy_price', 'priced') }}
            as buy_charges,
        {{ fill_charges('sell', 'priced.quantity', 'priced.sell_price', 'priced') }}
            as sell_charges,
        (priced.quantity * priced.entry_price)::decimal(18, 4) as entry_amount,
        (priced.quantity * priced.marked_exit_price)::decimal(18, 4) as exit_amount
    from priced
),

totalled as (
    select
        *,
        {{ total_charges('buy_charges') }} as buy_charges_amount,
        {{ total_charges('sell_charges') }} as sell_charges_amount
    from charged
),

final as (
    select
        run_id,
        signal_id,
        session_date,
        symbol,
        direction,
        signal_rank,
        quantity,
        entry_ts,
        entry_price,
        exit_ts,
        exit_price,
        exit_reason,
        missing_reason,
        marked_exit_ts,
        marked_exit_price,
        entry_amount,
        exit_amount,
        entry_slippage_amount,
        exit_slippage_amount,
        {%- for component in charge_components() %}
        (buy_charges['{{ component }}'] + sell_charges['{{ component }}'])::decimal(18, 4)
            as {{ component }},
        {%- endfor %}
        if(side = 1, buy_charges_amount, sell_charges_amount)::decimal(18, 4)
            as entry_charges_amount,
        if(side = 1, sell_charges_amount, buy_charges_amount)::decimal(18, 4)
            as exit_charges_amount,
        (side * (exit_amount - entry_amount))::decimal(18, 4) as gross_pnl_amount,
        (
            gross_pnl_amount
            - entry_slippage_amount - exit_slippage_amount
            - buy_charges_amount - sell_charges_amount
        )::decimal(18, 4) as net_pnl_amount,
        round(net_pnl_amount::double / (quantity * entry_price), 8)::decimal(18, 8) as net_return,
        date_diff('minute', entry_ts, marked_exit_ts) as held_minutes
    from totalled
)

select * from final
order by run_id, session_date, signal_rank, signal_id
