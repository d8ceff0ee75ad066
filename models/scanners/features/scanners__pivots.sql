with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

settings as (
    select * from {{ ref('pattern_settings') }}
),

-- one row per bar that confirms a pivot: the pivot is `pivot_bars` bars earlier
neighbourhoods as (
    select
        bars.symbol,
        bars.timeframe,
        bars.session_date,
        bars.bar_end,
        bars.bar_number,
        settings.pivot_bars,
        lag(bars.adjusted_high, settings.pivot_bars) over series as high,
        lag(bars.adjusted_low, settings.pivot_bars) over series as low,
        max(bars.adjusted_high) over bars_before as high_before,
        min(bars.adjusted_low) over bars_before as low_before,
        max(bars.adjusted_high) over bars_after as high_after,
        min(bars.adjusted_low) over bars_after as low_after
    from bars
    inner join settings using (timeframe)
    window
        series as (partition by bars.symbol, bars.timeframe order by bars.bar_number),
        bars_before as (
            partition by bars.symbol, bars.timeframe
            order by bars.bar_number
            rows between 2 * settings.pivot_bars preceding -- noqa: PRS
            and settings.pivot_bars + 1 preceding
        ),
        bars_after as (
            partition by bars.symbol, bars.timeframe
            order by bars.bar_number
            rows between settings.pivot_bars - 1 preceding and current row -- noqa: PRS
        )
),

full_neighbourhoods as (
    select * from neighbourhoods
    where bar_number >= 2 * pivot_bars
),

pivots as (
    select
        *,
        'high' as kind,
        high as pivot_price
    from full_neighbourhoods
    where high > high_before and high >= high_after
    union all
    select
        *,
        'low' as kind,
        low as pivot_price
    from full_neighbourhoods
    where low < low_before and low <= low_after
),

final as (
    select
        symbol,
        timeframe,
        kind,
        pivot_price,
        pivot_bars,
        bar_end as known_ts,
        session_date,
        bar_number - pivot_bars as pivot_bar_number,
        bar_number as known_bar_number
    from pivots
)

select * from final
order by symbol, timeframe, pivot_bar_number, kind
