{#-
    When a level is first touched depends neither on the other level nor on the exit time. So each
    level is looked up once per signal, and a combination compares the touches that were found.
-#}
{%- set return_decimals = 8 -%}
{%- set parameters = [
    'min_score', 'max_signals', 'stop_loss_pct', 'take_profit_pct', 'minutes_before_exit'
] -%}

with

signals as (
    select * from {{ ref('backtests__signals') }}
),

minutes as (
    select * from {{ ref('backtests__minutes') }}
),

excursions as (
    select * from {{ ref('backtests__excursions') }}
),

worst as (
    select * from excursions
    where kind = 'adverse'
),

best as (
    select * from excursions
    where kind = 'favorable'
),

grid as (
    select
        parameter,
        -- adding up steps would accumulate rounding errors
        unnest(
            list_transform(
                range(1 + floor(round((highest - lowest) / step, 6))::bigint),
                lambda number: round(lowest + number * step, 6)
            )
        ) as setting
    from {{ ref('sweep_grid') }}
),

settings as (
    select * from {{ ref('outcome_settings') }}
),

charges as (
    select * from {{ ref('charges') }}
),

-- signals that can be entered, by the rules of outcomes, and what their fills cost
entered as (
    select
        signals.signal_id,
        signals.scanner,
        signals.preset,
        signals.calendar,
        signals.symbol,
        signals.session_date,
        signals.known_ts,
        signals.direction,
        signals.score,
        signals.signal_rank,
        signals.entry_price as signal_price,
        signals.session_date + signals.exit_time as preset_exit_ts,
        if(signals.direction = 'long', 1, -1) as side,
        entries.bar_ts as entry_ts,
        entries.open as entry_open,
        settings.notional_amount,
        settings.slippage_bps,
        charges.*
    from signals
    inner join settings using (calendar)
    asof inner join charges
        on settings.segment = charges.segment and signals.session_date >= charges.effective_from
    asof inner join minutes as entries
        on
            signals.symbol = entries.symbol
            and signals.session_date = entries.session_date
            and signals.known_ts <= entries.bar_ts
    where not entries.is_locked
),

stop_levels as (
    select
        entered.signal_id,
        entered.symbol,
        entered.known_ts,
        entered.direction,
        grid.setting as stop_loss_pct,
        entered.side * round(
            entered.signal_price * (1 - entered.side * grid.setting / 100), {{ price_decimals() }}
        ) as stop_level
    from entered
    cross join grid
    where grid.parameter = 'stop_loss_pct'
),

stops as (
    select
        stop_levels.signal_id,
        stop_levels.stop_loss_pct,
        stop_levels.stop_level,
        worst.bar_ts as stop_touch_ts,
        worst.bar_end as stop_bar_end,
        worst.opening as stop_opening
    from stop_levels
    asof left join worst
        on
            stop_levels.symbol = worst.symbol
            and stop_levels.known_ts = worst.known_ts
            and stop_levels.direction = worst.direction
            and stop_levels.stop_level >= worst.reach
),

target_levels as (
    select
        entered.signal_id,
        entered.symbol,
        entered.known_ts,
        entered.direction,
        grid.setting as take_profit_pct,
        entered.side * round(
            entered.signal_price * (1 + entered.side * grid.setting / 100), {{ price_decimals() }}
        ) as target_level
    from entered
    cross join grid
    where grid.parameter = 'take_profit_pct'
),

targets as (
    select
        target_levels.signal_id,
        target_levels.take_profit_pct,
        target_levels.target_level,
        best.bar_ts as target_touch_ts,
        best.bar_end as target_bar_end,
        best.opening as target_opening
    from target_levels
    asof left join best
        on
            target_levels.symbol = best.symbol
            and target_levels.known_ts = best.known_ts
            and target_levels.direction = best.direction
            and target_levels.target_level <= best.reach
),

time_limits as (
    select
        entered.*,
        grid.setting as minutes_before_exit,
        entered.preset_exit_ts - to_minutes(grid.setting::bigint) as latest_exit_ts
    from entered
    cross join grid
    where grid.parameter = 'minutes_before_exit'
),

times as (
    select
        time_limits.*,
        lasts.close as last_close,
        lasts.is_locked as is_last_locked
    from time_limits
    asof inner join minutes as lasts
        on
            time_limits.symbol = lasts.symbol
            and time_limits.session_date = lasts.session_date
            and time_limits.latest_exit_ts >= lasts.bar_end
    where lasts.bar_ts >= time_limits.entry_ts
),

touched as (
    select
        times.*,
        stops.stop_loss_pct,
        stops.stop_level,
        stops.stop_opening,
        targets.take_profit_pct,
        targets.target_level,
        targets.target_opening,
        if(stops.stop_bar_end <= times.latest_exit_ts, stops.stop_touch_ts, null) as stop_touch_ts,
        if(targets.target_bar_end <= times.latest_exit_ts, targets.target_touch_ts, null)
            as target_touch_ts
    from times
    inner join stops using (signal_id)
    inner join targets using (signal_id)
),

reasons as (
    select
        *,
        {{ exit_reason(trailing=false) }} as exit_reason
    from touched
),

-- a position that would be closed at a locked price is left out, as in outcomes
priced as (
    select
        *,
        {{ exit_price(trailing=false) }} as exit_price
    from reasons
    where exit_reason != 'time' or not is_last_locked
),

orders as (
    select
        *,
        notional_amount / entry_open as quantity,
        if(side = 1, entry_open, exit_price) as buy_price,
        if(side = 1, exit_price, entry_open) as sell_price,
        {{ slippage('quantity', 'entry_open', 'slippage_bps') }}
        + if(
            exit_reason = 'target', 0,
            {{ slippage('quantity', 'exit_price', 'slippage_bps') }}
        ) as slippage_amount
    from priced
),

charged as (
    select
        *,
        {{ fill_charges('buy', 'quantity', 'buy_price', 'orders') }} as buy_charges,
        {{ fill_charges('sell', 'quantity', 'sell_price', 'orders') }} as sell_charges
    from orders
),

results as (
    select
        scanner,
        preset,
        score,
        signal_rank,
        stop_loss_pct,
        take_profit_pct,
        minutes_before_exit,
        exit_reason,
        round(
            side * (exit_price - entry_open) / entry_open
            - (
                slippage_amount
                + {{ total_charges('buy_charges') }} + {{ total_charges('sell_charges') }}
            )::double / notional_amount, {{ return_decimals }}
        )::decimal(18, 8) as net_return
    from charged
),

bounds as (
    select
        scores.setting as min_score,
        counts.setting as max_signals
    from grid as scores
    cross join grid as counts
    where scores.parameter = 'min_score' and counts.parameter = 'max_signals'
),

final as (
    select
        results.scanner,
        results.preset,
        bounds.min_score,
        bounds.max_signals::bigint as max_signals,
        results.stop_loss_pct,
        results.take_profit_pct,
        results.minutes_before_exit::bigint as minutes_before_exit,
        count(*) as trade_count,
        count(*) filter (where results.net_return > 0) as win_count,
        count(*) filter (where results.exit_reason = 'stop') as stop_count,
        count(*) filter (where results.exit_reason = 'target') as target_count,
        sum(results.net_return)::decimal(18, 8) as total_trade_return,
        sum(results.net_return)::double / count(*) as mean_trade_return,
        sum(greatest(results.net_return, 0))::double
        / nullif(-sum(least(results.net_return, 0))::double, 0) as profit_factor_ratio
    from results
    inner join bounds
        on
            results.score >= bounds.min_score
            and results.signal_rank <= bounds.max_signals
    group by
        results.scanner,
        results.preset,
        bounds.min_score,
        bounds.max_signals,
        results.stop_loss_pct,
        results.take_profit_pct,
        results.minutes_before_exit
)

select * from final
order by
    scanner,
    preset,
    min_score,
    max_signals,
    stop_loss_pct,
    take_profit_pct,
    minutes_before_exit
