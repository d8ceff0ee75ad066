{%- set return_decimals = 8 %}

with

runs as (
    select * from {{ ref('backtests__runs') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
    qualify count(*) over (partition by run_id) >= {{ var('min_trade_count') }}
),

signals as (
    select * from {{ ref('backtests__tradable_signals') }}
),

entries as (
    select * from {{ ref('backtests__entries') }}
    where chosen_signal_id is not null
),

exits as (
    select * from {{ ref('backtests__exits') }}
    where entry_price is not null
),

-- the same amount in the other symbol, at the costs of the run
random_trades as (
    select
        trades.run_id,
        trades.signal_id,
        entries.symbol,
        exits.marked_return,
        trades.entry_amount::double as entry_amount,
        trades.entry_amount::double / exits.entry_price as shares,
        if(signals.side = 1, exits.entry_price, exits.marked_exit_price) as buy_price,
        if(signals.side = 1, exits.marked_exit_price, exits.entry_price) as sell_price,
        {{ slippage('shares', 'exits.entry_price', 'signals.slippage_bps') }}
        + if(
            exits.exit_reason = 'target', 0,
            {{ slippage('shares', 'exits.marked_exit_price', 'signals.slippage_bps') }}
        ) as slippage_amount,
        {{ fill_charges('buy', 'shares', 'buy_price', 'signals') }} as buy_charges,
        {{ fill_charges('sell', 'shares', 'sell_price', 'signals') }} as sell_charges
    from trades
    inner join runs using (run_id)
    inner join settings using (setting)
    inner join signals using (run_id, signal_id)
    inner join entries on trades.signal_id = entries.chosen_signal_id
    inner join exits
        on
            entries.signal_id = exits.signal_id
            and settings.trailing_stop_pct is not distinct from exits.trailing_stop_pct
            and settings.trailing_stop_atr_ratio is not distinct from exits.trailing_stop_atr_ratio
),

results as (
    select
        run_id,
        signal_id,
        symbol,
        net_return
    from trades
    union all
    select
        run_id,
        signal_id,
        symbol,
        round(
            marked_return - (
                slippage_amount
                + {{ total_charges('buy_charges') }} + {{ total_charges('sell_charges') }}
            )::double / entry_amount, {{ return_decimals }}
        )::decimal(18, 8) as net_return
    from random_trades
),

alternatives as (
    select
        results.run_id,
        results.signal_id,
        settings.permutation_count,
        list(results.net_return order by results.symbol) as net_returns
    from results
    inner join runs using (run_id)
    inner join settings using (setting)
    group by results.run_id, results.signal_id, settings.permutation_count
),

-- a draw depends only on its number, so every build draws the same, and so do runs with the same
-- trades
draws as (
    select
        run_id,
        draw_number,
        sum(
            {{ sample_element('net_returns', 'signal_id', 'draw_number') }}
        )::double / count(*) as random_mean_return
    from alternatives
    cross join lateral unnest(range(1, permutation_count + 1)) as numbers (draw_number)
    group by run_id, draw_number
),

chosen as (
    select
        run_id,
        sum(net_return)::double / count(*) as mean_trade_return
    from trades
    group by run_id
),

comparisons as (
    select
        run_id,
        chosen.mean_trade_return,
        sum(draws.random_mean_return::decimal(18, 11))::double / count(*) as random_mean_return,
        (1 + count(*) filter (where draws.random_mean_return >= chosen.mean_trade_return))
        / (1 + count(*)) as random_ratio
    from chosen
    inner join draws using (run_id)
    group by run_id, chosen.mean_trade_return
),

final as (
    select
        run_id,
        random_mean_return,
        -- trades that gained nothing are not evidence of skill, whatever the random ones lost
        if(mean_trade_return > 0, random_ratio, greatest(random_ratio, 0.5::double))
            as permutation_p_value
    from comparisons
)

select * from final
order by run_id
