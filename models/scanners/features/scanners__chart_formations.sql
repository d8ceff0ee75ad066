{#- Prices within this relative difference are equal: a split may move the last bit. -#}
{%- set tie = 1e-9 -%}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

settings as (
    select * from {{ ref('pattern_settings') }}
),

pivots as (
    select * from {{ ref('scanners__pivots') }}
),

-- the prices before a shape, as known at each bar
surroundings as (
    select
        bars.symbol,
        bars.timeframe,
        bars.bar_number,
        min(bars.adjusted_low) over trend as trend_low,
        max(bars.adjusted_high) over trend as trend_high,
        min(bars.adjusted_low) over pole as pole_low,
        max(bars.adjusted_high) over pole as pole_high,
        min(bars.adjusted_close) over since_pivot as low_close,
        max(bars.adjusted_close) over since_pivot as high_close
    from bars
    inner join settings using (timeframe)
    window
        trend as (
            partition by bars.symbol, bars.timeframe
            order by bars.bar_number
            rows between settings.trend_bars preceding and current row
        ),
        pole as (
            partition by bars.symbol, bars.timeframe
            order by bars.bar_number
            rows between settings.max_pole_bars preceding and current row
        ),
        since_pivot as (
            partition by bars.symbol, bars.timeframe
            order by bars.bar_number
            rows between settings.pivot_bars - 1 preceding and current row -- noqa: PRS
        )
),

-- A bottom is a top of the negative prices, so each shape and its mirror image are defined once:
-- everything below is in levels, which are prices on side 1 and negative prices on side -1.
tops as (
    select
        pivots.symbol,
        pivots.timeframe,
        pivots.pivot_bar_number,
        pivots.known_bar_number,
        if(pivots.kind = 'high', 1, -1) as side,
        pivots.pivot_price * if(pivots.kind = 'high', 1, -1) as level
    from pivots
),

-- Swings alternate between tops and bottoms: of tops without a bottom between them, the highest to
-- date counts.
turns as (
    select
        *,
        if(side = lag(side) over series, 0, 1) as turn
    from tops
    window series as (partition by symbol, timeframe order by pivot_bar_number, side)
),

legs as (
    select
        * exclude (turn),
        sum(turn) over series as leg_number
    from turns
    window series as (partition by symbol, timeframe order by pivot_bar_number, side)
),

extremes as (
    select * from legs
    qualify
        coalesce(
            level > max(level) over (
                partition by symbol, timeframe, leg_number
                order by pivot_bar_number
                rows between unbounded preceding and 1 preceding
            ), true
        )
),

swings as (
    select
        symbol,
        timeframe,
        leg_number,
        max(level) as level,
        max(pivot_bar_number) as bar_number
    from extremes
    group by symbol, timeframe, leg_number
),

swings_before as (
    select
        symbol,
        timeframe,
        leg_number,
        lag(level, 4) over series as level_1,
        -lag(level, 3) over series as level_2,
        lag(level, 2) over series as level_3,
        -lag(level, 1) over series as level_4,
        lag(bar_number, 4) over series as bar_1,
        lag(bar_number, 3) over series as bar_2,
        lag(bar_number, 2) over series as bar_3,
        lag(bar_number, 1) over series as bar_4
    from swings
    window series as (partition by symbol, timeframe order by leg_number)
),

-- tops 1, 3 and 5, bottoms 2 and 4 between them, and the lines through 3 and 5 and through 2 and 4
five_swings as (
    select
        swings_before.*,
        settings.max_pattern_bars,
        settings.max_wait_bars,
        extremes.side,
        extremes.known_bar_number,
        extremes.level as level_5,
        extremes.pivot_bar_number as bar_5,
        (extremes.level - swings_before.level_3)
        / nullif(extremes.pivot_bar_number - swings_before.bar_3, 0) as top_slope,
        (swings_before.level_4 - swings_before.level_2)
        / nullif(swings_before.bar_4 - swings_before.bar_2, 0) as bottom_slope,
        {{ distance_from_mean_pct('swings_before.level_1', 'extremes.level') }}
        <= settings.max_level_difference_pct as has_even_shoulders,
        {{ distance_from_mean_pct('swings_before.level_3', 'extremes.level') }}
        <= settings.max_level_difference_pct as has_level_tops,
        {{ distance_from_mean_pct('swings_before.level_2', 'swings_before.level_4') }}
        <= settings.max_level_difference_pct as has_level_bottoms
    from extremes
    inner join swings_before using (symbol, timeframe, leg_number)
    inner join settings using (timeframe)
),

heads_and_shoulders as (
    select
        symbol,
        timeframe,
        side,
        if(side = 1, 'head_and_shoulders', 'inverse_head_and_shoulders') as pattern,
        bar_1 as started_bar_number,
        known_bar_number as formed_bar_number,
        known_bar_number + max_wait_bars as last_bar_number,
        level_5 as ceiling_level,
        0 as ceiling_slope,
        level_4 + bottom_slope * (known_bar_number - bar_4) as floor_level,
        bottom_slope as floor_slope,
        -1 as breaks_to
    from five_swings
    where
        level_3 > level_1
        and level_3 > level_5
        and has_even_shoulders
        and has_level_bottoms
        and bar_5 - bar_1 <= max_pattern_bars
),

triangles as (
    select
        symbol,
        timeframe,
        side,
        case
            when not has_level_tops and not has_level_bottoms then 'symmetric_triangle'
            when has_level_tops = (side = 1) then 'ascending_triangle'
            else 'descending_triangle'
        end as pattern,
        bar_2 as started_bar_number,
        known_bar_number as formed_bar_number,
        known_bar_number + max_wait_bars as last_bar_number,
        level_5 + top_slope * (known_bar_number - bar_5) as ceiling_level,
        top_slope as ceiling_slope,
        level_4 + bottom_slope * (known_bar_number - bar_4) as floor_level,
        bottom_slope as floor_slope,
        0 as breaks_to
    from five_swings
    where
        (has_level_tops or level_5 < level_3)
        and (has_level_bottoms or level_4 > level_2)
        and not (has_level_tops and has_level_bottoms)
        and bar_5 - bar_2 <= max_pattern_bars
),

flags as (
    select
        tops.symbol,
        tops.timeframe,
        tops.side,
        'flag' as pattern,
        tops.pivot_bar_number as started_bar_number,
        tops.known_bar_number as formed_bar_number,
        tops.pivot_bar_number + settings.max_flag_bars as last_bar_number,
        tops.level as ceiling_level,
        0 as ceiling_slope,
        tops.level
        - settings.max_flag_retrace_pct / 100
        * (tops.level - if(tops.side = 1, at_top.pole_low, -at_top.pole_high)) as floor_level,
        0 as floor_slope,
        1 as breaks_to
    from tops
    inner join settings using (timeframe)
    inner join surroundings as at_top
        on
            tops.symbol = at_top.symbol
            and tops.timeframe = at_top.timeframe
            and tops.pivot_bar_number = at_top.bar_number
    inner join surroundings as when_known
        on
            tops.symbol = when_known.symbol
            and tops.timeframe = when_known.timeframe
            and tops.known_bar_number = when_known.bar_number
    where
        if(
            tops.side = 1,
            {{ difference_pct('tops.level', 'at_top.pole_low', 'at_top.pole_low') }},
            {{ difference_pct('at_top.pole_high', '-tops.level', 'at_top.pole_high') }}
        ) >= settings.min_pole_pct
        and if(tops.side = 1, when_known.low_close, -when_known.high_close)
        >= floor_level - {{ tie }} * abs(floor_level)
),

numbered_tops as (
    select
        *,
        row_number() over (
            partition by symbol, timeframe, side order by pivot_bar_number
        ) as top_number
    from tops
),

-- Two tops are at least `pivot_bars` + 1 bars apart, so this looks back far enough.
reaches as (
    select
        numbered_tops.*,
        unnest(
            range(
                1,
                greatest(settings.max_pattern_bars, settings.max_cup_bars)
                // (settings.pivot_bars + 1)
                + 1
            )
        ) as tops_back
    from numbered_tops
    inner join settings using (timeframe)
),

pairs as (
    select
        reaches.symbol,
        reaches.timeframe,
        reaches.side,
        reaches.pivot_bar_number,
        reaches.known_bar_number,
        reaches.level,
        first_tops.level as first_level,
        first_tops.pivot_bar_number as first_bar_number
    from reaches
    inner join numbered_tops as first_tops
        on
            reaches.symbol = first_tops.symbol
            and reaches.timeframe = first_tops.timeframe
            and reaches.side = first_tops.side
            and reaches.top_number - reaches.tops_back = first_tops.top_number
    -- no top between the two is higher than both
    qualify
        coalesce(
            max(first_tops.level) over (
                partition by
                    reaches.symbol, reaches.timeframe, reaches.side, reaches.pivot_bar_number
                order by reaches.tops_back
                rows between unbounded preceding and 1 preceding
            ) <= greatest(reaches.level, first_tops.level), true
        )
),

twins as (
    select
        pairs.*,
        {{ distance_from_mean_pct('pairs.level', 'pairs.first_level') }} as distance_from_mean_pct,
        pairs.pivot_bar_number - pairs.first_bar_number as apart_bars
    from pairs
    inner join settings using (timeframe)
    where
        distance_from_mean_pct
        <= greatest(settings.max_level_difference_pct, settings.max_lip_difference_pct)
        and apart_bars >= least(settings.min_double_bars, settings.min_cup_bars)
        and apart_bars <= greatest(settings.max_pattern_bars, settings.max_cup_bars)
),

valleys as (
    select
        twins.symbol,
        twins.timeframe,
        twins.side,
        twins.pivot_bar_number,
        twins.first_bar_number,
        -- the first of equal ones
        min(
            struct_pack(level := -bottoms.level, bar_number := bottoms.pivot_bar_number)
        ) as lowest
    from twins
    inner join tops as bottoms
        on
            twins.symbol = bottoms.symbol
            and twins.timeframe = bottoms.timeframe
            and twins.side = -bottoms.side
            and twins.first_bar_number < bottoms.pivot_bar_number
            and twins.pivot_bar_number > bottoms.pivot_bar_number
    group by
        twins.symbol,
        twins.timeframe,
        twins.side,
        twins.pivot_bar_number,
        twins.first_bar_number
),

-- the rise to the first top began below the valley
deep_twins as (
    select
        twins.*,
        valleys.lowest.level as valley_level,
        valleys.lowest.bar_number as valley_bar_number,
        {{ difference_pct('twins.level', 'valleys.lowest.level', 'abs(twins.level)') }} as depth_pct
    from twins
    inner join valleys using (symbol, timeframe, side, pivot_bar_number, first_bar_number)
    inner join surroundings as at_first
        on
            twins.symbol = at_first.symbol
            and twins.timeframe = at_first.timeframe
            and twins.first_bar_number = at_first.bar_number
    where if(twins.side = 1, at_first.trend_low, -at_first.trend_high) < valleys.lowest.level
),

doubles as (
    select
        twins.symbol,
        twins.timeframe,
        twins.side,
        if(twins.side = 1, 'double_top', 'double_bottom') as pattern,
        twins.first_bar_number as started_bar_number,
        twins.known_bar_number as formed_bar_number,
        twins.known_bar_number + settings.max_wait_bars as last_bar_number,
        greatest(twins.level, twins.first_level) as ceiling_level,
        0 as ceiling_slope,
        twins.valley_level as floor_level,
        0 as floor_slope,
        -1 as breaks_to
    from deep_twins as twins
    inner join settings using (timeframe)
    where
        twins.distance_from_mean_pct <= settings.max_level_difference_pct
        and twins.apart_bars between settings.min_double_bars and settings.max_pattern_bars
        and twins.depth_pct >= settings.min_double_depth_pct
    qualify
        row_number() over (
            partition by twins.symbol, twins.timeframe, twins.side, twins.pivot_bar_number
            order by twins.first_bar_number desc
        ) = 1
),

cups as (
    select
        twins.symbol,
        twins.timeframe,
        twins.side,
        'cup_with_handle' as pattern,
        twins.first_bar_number as started_bar_number,
        twins.known_bar_number as formed_bar_number,
        twins.pivot_bar_number + settings.max_handle_bars as last_bar_number,
        twins.level as ceiling_level,
        0 as ceiling_slope,
        twins.level
        - settings.max_handle_retrace_pct / 100 * (twins.level - twins.valley_level)
            as floor_level,
        0 as floor_slope,
        1 as breaks_to
    from deep_twins as twins
    inner join settings using (timeframe)
    inner join surroundings as when_known
        on
            twins.symbol = when_known.symbol
            and twins.timeframe = when_known.timeframe
            and twins.known_bar_number = when_known.bar_number
    where
        twins.side = 1
        and twins.distance_from_mean_pct <= settings.max_lip_difference_pct
        and twins.apart_bars between settings.min_cup_bars and settings.max_cup_bars
        and twins.depth_pct between settings.min_cup_depth_pct and settings.max_cup_depth_pct
        and least(
            twins.valley_bar_number - twins.first_bar_number,
            twins.pivot_bar_number - twins.valley_bar_number
        ) >= settings.min_cup_side_pct / 100 * twins.apart_bars
        and when_known.low_close >= {{ 1 - tie }} * floor_level
    qualify
        row_number() over (
            partition by twins.symbol, twins.timeframe, twins.pivot_bar_number
            order by twins.first_bar_number desc
        ) = 1
),

formations as (
    select * from heads_and_shoulders
    union all
    select * from triangles
    union all
    select * from flags
    union all
    select * from doubles
    union all
    select * from cups
),

-- levels become prices again, so upper and lower lines of a bottom are swapped
final as (
    select
        symbol,
        timeframe,
        pattern,
        started_bar_number,
        formed_bar_number,
        last_bar_number,
        if(side = 1, ceiling_level, -floor_level)::double as upper_price,
        if(side = 1, ceiling_slope, -floor_slope)::double as upper_slope,
        if(side = 1, floor_level, -ceiling_level)::double as lower_price,
        if(side = 1, floor_slope, -ceiling_slope)::double as lower_slope,
        case side * breaks_to
            when 1 then 'long'
            when -1 then 'short'
            else 'both'
        end as breaks_to
    from formations
)

select * from final
order by symbol, timeframe, formed_bar_number, pattern, started_bar_number
