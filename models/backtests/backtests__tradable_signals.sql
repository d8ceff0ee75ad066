with

runs as (
    select * from {{ ref('backtests__runs') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
),

signals as (
    select * from {{ ref('backtests__signals') }}
),

exits as (
    select * from {{ ref('backtests__exits') }}
    where entry_price is not null
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

daily_bars as (
    select
        symbol,
        bar_ts,
        bar_end
    from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

volatilities as (
    select
        daily_bars.symbol,
        daily_bars.bar_end,
        volatility.natr_14
    from {{ ref('indicators__volatility') }} as volatility
    inner join daily_bars using (symbol, bar_ts)
    where volatility.timeframe = '1d'
),

charges as (
    select * from {{ ref('charges') }}
),

instruments as (
    select * from {{ ref('instruments') }}
),

-- nothing is traded before the schedule of charges begins
signal_costs as (
    select
        runs.run_id,
        sessions.session_number,
        signals.session_date,
        signals.signal_id,
        signals.signal_rank,
        signals.symbol,
        coalesce(instruments.sector, 'of ' || signals.symbol) as sector,
        signals.known_ts,
        signals.direction,
        if(signals.direction = 'long', 1, -1) as side,
        signals.position_pct,
        signals.stop_price,
        exits.entry_ts,
        exits.entry_price,
        exits.entry_bar_volume,
        exits.exit_ts,
        exits.exit_price,
        exits.exit_reason,
        exits.missing_reason,
        exits.marked_exit_ts,
        exits.marked_exit_price,
        exits.marked_return,
        settings.sizing,
        settings.sizing_pct,
        settings.kelly_ratio,
        settings.min_kelly_trades,
        settings.slippage_bps,
        settings.max_participation_pct,
        settings.max_positions,
        settings.max_symbol_pct,
        settings.max_sector_pct,
        settings.max_leverage_ratio,
        charges.* exclude (segment, effective_from, currency, source),
        -- highest cost of entering one share: caps on charges are ignored
        exits.entry_price * (
            1 + settings.slippage_bps / 10000 + (
                (
                    charges.brokerage_pct + charges.exchange_pct
                    + greatest(charges.buy_regulator_pct, charges.sell_regulator_pct)
                ) * (1 + charges.gst_pct / 100)
                + greatest(charges.buy_tax_pct + charges.buy_stamp_pct, charges.sell_tax_pct)
            ) / 100
        ) + charges.sell_share_amount as unit_cost,
        -- tax and stamp duty may each be rounded up by half a unit
        coalesce(charges.tax_unit_amount, 0)
        + if(signals.direction = 'short', charges.sell_depository_amount, 0) as order_cost
    from runs
    inner join settings using (setting)
    inner join signals
        on runs.scanner = signals.scanner
            and runs.preset = signals.preset
            and runs.calendar = signals.calendar
    inner join sessions
        on signals.calendar = sessions.calendar and signals.session_date = sessions.session_date
    left join instruments on signals.symbol = instruments.symbol
    inner join exits
        on signals.signal_id = exits.signal_id
            and settings.trailing_stop_pct is not distinct from exits.trailing_stop_pct
            and settings.trailing_stop_atr_ratio is not distinct from exits.trailing_stop_atr_ratio
    asof inner join charges
        on settings.segment = charges.segment and signals.session_date >= charges.effective_from
),

-- Kelly's fraction uses the returns of all signals of earlier sessions, traded or not
records as (
    select
        *,
        (
            marked_return - 2 * (unit_cost / entry_price - 1)
        )::decimal(18, 8) as known_return
    from signal_costs
),

histories as (
    select
        *,
        count(*) over earlier as return_count,
        count(*) filter (where known_return > 0) over earlier as win_count,
        (sum(known_return) filter (where known_return > 0) over earlier)::double
            as win_total_return,
        -(sum(known_return) filter (where known_return <= 0) over earlier)::double
            as loss_total_return
    from records
    window
        earlier as (
            partition by run_id
            order by session_number
            range between unbounded preceding and 1 preceding
        )
),

kelly as (
    select
        * exclude (return_count, win_count, win_total_return, loss_total_return),
        return_count >= min_kelly_trades as has_enough_returns,
        win_count / nullif(return_count, 0) as win_fraction,
        win_total_return / nullif(win_count, 0) as average_win_return,
        loss_total_return / nullif(return_count - win_count, 0) as average_loss_return,
        win_fraction
        - (1 - win_fraction) * average_loss_return / average_win_return as kelly_fraction
    from histories
),

final as (
    select
        kelly.* exclude (
            kelly_ratio, min_kelly_trades, known_return, has_enough_returns, win_fraction,
            average_win_return, average_loss_return, kelly_fraction
        ),
        volatilities.natr_14,
        case
            when not kelly.has_enough_returns then kelly.sizing_pct
            when kelly.win_fraction in (0, 1) then 100 * kelly.kelly_ratio * kelly.win_fraction
            when kelly.has_enough_returns then 100 * kelly.kelly_ratio * kelly.kelly_fraction
        end as kelly_pct,
        row_number() over (
            partition by kelly.run_id, kelly.session_date, kelly.symbol
            order by kelly.known_ts, kelly.signal_rank
        ) as symbol_rank,
        row_number() over (
            partition by kelly.run_id, kelly.session_date
            order by kelly.known_ts, kelly.signal_rank, kelly.signal_id
        ) as entry_rank
    from kelly
    asof left join volatilities
        on
            kelly.symbol = volatilities.symbol
            and kelly.known_ts >= volatilities.bar_end
)

select * from final
order by run_id, session_number, entry_rank
