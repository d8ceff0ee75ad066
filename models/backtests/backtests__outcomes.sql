{%- set return_decimals = 8 %}

with

signals as (
    select * from {{ ref('backtests__signals') }}
),

exits as (
    select * from {{ ref('backtests__exits') }}
),

minutes as (
    select * from {{ ref('backtests__minutes') }}
),

settings as (
    select * from {{ ref('outcome_settings') }}
),

charges as (
    select * from {{ ref('charges') }}
),

sources as (
    select
        symbol,
        session_date,
        string_agg(distinct source, ', ' order by source) as source
    from minutes
    group by symbol, session_date
),

results as (
    select
        signals.signal_id,
        signals.symbol,
        signals.session_date,
        signals.direction,
        exits.entry_ts,
        exits.entry_price,
        exits.exit_ts,
        exits.exit_price,
        exits.exit_reason,
        exits.missing_reason,
        exits.is_locked,
        sources.source,
        exits.max_favorable_return,
        exits.max_adverse_return,
        if(exits.exit_price is null, null, exits.marked_return) as gross_return,
        settings.notional_amount,
        settings.segment,
        settings.notional_amount / exits.entry_price as quantity,
        if(signals.direction = 'long', exits.entry_price, exits.exit_price) as buy_price,
        if(signals.direction = 'long', exits.exit_price, exits.entry_price) as sell_price,
        {{ slippage('quantity', 'exits.entry_price', 'settings.slippage_bps') }}
        + if(
            exits.exit_reason = 'target', 0,
            {{ slippage('quantity', 'exits.exit_price', 'settings.slippage_bps') }}
        ) as slippage_amount
    from signals
    left join settings using (calendar)
    left join sources
        on signals.symbol = sources.symbol and signals.session_date = sources.session_date
    inner join exits
        on signals.signal_id = exits.signal_id
            and settings.trailing_stop_pct is not distinct from exits.trailing_stop_pct
            and settings.trailing_stop_atr_ratio is not distinct from exits.trailing_stop_atr_ratio
),

charged as (
    select
        results.*,
        {{ fill_charges('buy', 'results.quantity', 'results.buy_price', 'charges') }}
            as buy_charges,
        {{ fill_charges('sell', 'results.quantity', 'results.sell_price', 'charges') }}
            as sell_charges
    from results
    asof left join charges
        on results.segment = charges.segment and results.session_date >= charges.effective_from
),

costed as (
    select
        *,
        {{ total_charges('buy_charges') }} + {{ total_charges('sell_charges') }} as charges_amount
    from charged
),

final as (
    select
        signal_id,
        entry_ts,
        entry_price,
        exit_ts,
        exit_price,
        exit_reason,
        gross_return,
        round(
            gross_return - (charges_amount + slippage_amount)::double / notional_amount,
            {{ return_decimals }}
        ) as net_return,
        if(exit_price is null, null, max_favorable_return) as max_favorable_return,
        if(exit_price is null, null, max_adverse_return) as max_adverse_return,
        date_diff('minute', entry_ts, exit_ts) as held_minutes,
        coalesce(
            missing_reason,
            if(exit_price is not null and charges_amount is null, 'no_charges', null)
        ) as missing_reason,
        is_locked,
        source
    from costed
)

select * from final
order by signal_id
