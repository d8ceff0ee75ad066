{%- set return_decimals = 8 %}

with

signals as (
    select
        *,
        session_date + exit_time as latest_exit_ts
    from {{ ref('backtests__entries') }}
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

falls as (
    select * from excursions
    where kind = 'fall_pct'
),

drops as (
    select * from excursions
    where kind = 'fall_amount'
),

daily_bars as (
    select
        symbol,
        bar_ts,
        bar_end,
        close
    from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

-- average true range of the prior session, as traded
average_ranges as (
    select
        daily_bars.symbol,
        daily_bars.bar_end,
        volatility.natr_14 / 100 * daily_bars.close as atr
    from {{ ref('indicators__volatility') }} as volatility
    inner join daily_bars using (symbol, bar_ts)
    where volatility.timeframe = '1d'
),

outcome_settings as (
    select * from {{ ref('outcome_settings') }}
),

backtest_settings as (
    select * from {{ ref('backtest_settings') }}
),

trailing_stops as (
    select
        calendar,
        trailing_stop_pct,
        trailing_stop_atr_ratio
    from outcome_settings
    union
    select
        calendar,
        trailing_stop_pct,
        trailing_stop_atr_ratio
    from backtest_settings
    union
    select
        calendar,
        null as trailing_stop_pct,
        null as trailing_stop_atr_ratio
    from signals
),

-- the first bar to enter at, and the last to exit at
placed as (
    select
        signals.signal_id,
        signals.chosen_signal_id,
        signals.symbol,
        signals.session_date,
        signals.known_ts,
        signals.direction,
        signals.latest_exit_ts,
        signals.stop_price,
        signals.target_price,
        trailing_stops.trailing_stop_pct,
        trailing_stops.trailing_stop_atr_ratio,
        round(trailing_stops.trailing_stop_atr_ratio * average_ranges.atr, {{ price_decimals() }})
            as trail_distance,
        entries.bar_ts as entry_ts,
        entries.open as entry_open,
        entries.volume as entry_bar_volume,
        entries.is_locked as is_entry_locked,
        lasts.bar_ts as last_bar_ts,
        lasts.bar_end as last_bar_end,
        lasts.close as last_close,
        lasts.is_locked as is_last_locked
    from signals
    inner join trailing_stops using (calendar)
    asof left join minutes as entries
        on
            signals.symbol = entries.symbol
            and signals.session_date = entries.session_date
            and signals.known_ts <= entries.bar_ts
    asof left join minutes as lasts
        on
            signals.symbol = lasts.symbol
            and signals.session_date = lasts.session_date
            and signals.latest_exit_ts >= lasts.bar_end
    asof left join average_ranges
        on
            signals.symbol = average_ranges.symbol
            and signals.known_ts >= average_ranges.bar_end
),

-- a random entry's levels are as far from its open, in percent, as the signal's are from its own
scaled as (
    select
        *,
        if(
            chosen_signal_id is null,
            1,
            entry_open / max(entry_open) filter (where chosen_signal_id is null) over (
                partition by coalesce(chosen_signal_id, signal_id)
            )
        ) as price_ratio
    from placed
),

bounded as (
    select
        *,
        if(direction = 'long', 1, -1)
        * if(price_ratio = 1, stop_price, round(stop_price * price_ratio, {{ price_decimals() }}))
            as stop_level,
        if(direction = 'long', 1, -1)
        * if(
            price_ratio = 1,
            target_price,
            round(target_price * price_ratio, {{ price_decimals() }})
        )
            as target_level
    from scaled
),

-- a touch by a bar that ends after the latest exit is too late
touched as (
    select
        bounded.*,
        coalesce(bounded.entry_ts <= bounded.last_bar_ts, false) as has_bars,
        coalesce(has_bars and not bounded.is_entry_locked, false) as is_entered,
        if(worst.bar_end <= bounded.latest_exit_ts, worst.bar_ts, null) as stop_touch_ts,
        worst.bar_end as stop_bar_end,
        worst.opening as stop_opening,
        if(best.bar_end <= bounded.latest_exit_ts, best.bar_ts, null) as target_touch_ts,
        best.bar_end as target_bar_end,
        best.opening as target_opening,
        coalesce(falls.bar_ts, drops.bar_ts) as fall_ts,
        coalesce(falls.bar_end, drops.bar_end) as trail_bar_end,
        if(trail_bar_end <= bounded.latest_exit_ts, fall_ts, null) as trail_touch_ts,
        coalesce(falls.opening, drops.opening) as trail_opening,
        coalesce(falls.adverse, drops.adverse) as trail_adverse,
        round(
            coalesce(
                falls.trailed_from - abs(falls.trailed_from) * bounded.trailing_stop_pct / 100,
                drops.trailed_from - bounded.trail_distance
            ),
            {{ price_decimals() }}
        ) as trail_level
    from bounded
    asof left join worst
        on
            bounded.symbol = worst.symbol
            and bounded.known_ts = worst.known_ts
            and bounded.direction = worst.direction
            and bounded.stop_level >= worst.reach
    asof left join best
        on
            bounded.symbol = best.symbol
            and bounded.known_ts = best.known_ts
            and bounded.direction = best.direction
            and bounded.target_level <= best.reach
    asof left join falls
        on
            bounded.symbol = falls.symbol
            and bounded.known_ts = falls.known_ts
            and bounded.direction = falls.direction
            and bounded.trailing_stop_pct <= falls.reach
    asof left join drops
        on
            bounded.symbol = drops.symbol
            and bounded.known_ts = drops.known_ts
            and bounded.direction = drops.direction
            and bounded.trail_distance <= drops.reach
),

reasons as (
    select
        *,
        {{ exit_reason() }} as exit_reason
    from touched
    where is_entered
),

exits as (
    select
        *,
        {{ exit_price() }} as marked_exit_price,
        case exit_reason
            when 'target' then target_opening
            when 'stop' then stop_opening
            when 'trailing_stop' then trail_opening
        end as exit_opening,
        case exit_reason
            when 'target' then target_opening >= target_level
            when 'stop' then stop_opening <= stop_level
            when 'trailing_stop' then trail_opening <= trail_level
            else false
        end as is_gap,
        case exit_reason
            when 'target' then target_touch_ts
            when 'stop' then stop_touch_ts
            when 'trailing_stop' then trail_touch_ts
            else last_bar_ts
        end as exit_bar_ts,
        case exit_reason
            when 'target' then target_bar_end
            when 'stop' then stop_bar_end
            when 'trailing_stop' then trail_bar_end
            else last_bar_end
        end as exit_bar_end,
        exit_reason = 'time' and is_last_locked as is_exit_locked
    from reasons
),

-- in the bar of a stop or target only the open and the fill count: the rest may have come later
paths as (
    select
        exits.*,
        if(exits.is_gap, exits.exit_bar_ts, exits.exit_bar_end) as marked_exit_ts,
        if(exits.direction = 'long', exits.entry_open, -exits.entry_open) as entry_level,
        if(exits.direction = 'long', exits.marked_exit_price, -exits.marked_exit_price)
            as exit_level,
        greatest(best.reach, entry_level, exit_level, exits.exit_opening) as best_level,
        least(worst.reach, entry_level, exit_level, exits.exit_opening) as worst_level
    from exits
    asof left join best
        on
            exits.symbol = best.symbol
            and exits.known_ts = best.known_ts
            and exits.direction = best.direction
            and if(exits.exit_reason = 'time', exits.exit_bar_end, exits.exit_bar_ts) > best.bar_ts
    asof left join worst
        on
            exits.symbol = worst.symbol
            and exits.known_ts = worst.known_ts
            and exits.direction = worst.direction
            and if(exits.exit_reason = 'time', exits.exit_bar_end, exits.exit_bar_ts) > worst.bar_ts
),

final as (
    select
        touched.signal_id,
        touched.trailing_stop_pct,
        touched.trailing_stop_atr_ratio,
        if(touched.is_entered, touched.entry_ts, null) as entry_ts,
        if(touched.is_entered, touched.entry_open, null) as entry_price,
        if(touched.is_entered, touched.entry_bar_volume, null) as entry_bar_volume,
        if(paths.is_exit_locked, null, paths.marked_exit_ts) as exit_ts,
        if(paths.is_exit_locked, null, paths.marked_exit_price) as exit_price,
        if(paths.is_exit_locked, null, paths.exit_reason) as exit_reason,
        case
            when not touched.has_bars then 'no_bars'
            when not touched.is_entered then 'locked_at_entry'
            when paths.is_exit_locked then 'locked_at_exit'
        end as missing_reason,
        coalesce(touched.is_entry_locked, false)
        or coalesce(paths.is_exit_locked, false) as is_locked,
        paths.marked_exit_ts,
        paths.marked_exit_price,
        round(
            (paths.exit_level - paths.entry_level) / paths.entry_open, {{ return_decimals }}
        ) as marked_return,
        round(
            (paths.best_level - paths.entry_level) / paths.entry_open, {{ return_decimals }}
        ) as max_favorable_return,
        round(
            (paths.worst_level - paths.entry_level) / paths.entry_open, {{ return_decimals }}
        ) as max_adverse_return
    from touched
    left join paths
        on touched.signal_id = paths.signal_id
            and touched.trailing_stop_pct is not distinct from paths.trailing_stop_pct
            and touched.trailing_stop_atr_ratio is not distinct from paths.trailing_stop_atr_ratio
)

select * from final
order by signal_id, trailing_stop_pct, trailing_stop_atr_ratio
