{{ config(access='private') }}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1m'
),

crp_presets as (
    select * from {{ ref('crp_presets') }}
),

breakout_presets as (
    select * from {{ ref('breakout_presets') }}
),

cutoffs as (
    select cutoff_time from crp_presets
    union
    select cutoff_time from breakout_presets
),

final as (
    select
        bars.symbol,
        bars.session_date,
        cutoffs.cutoff_time,
        bars.calendar,
        arg_min(bars.open, bars.bar_ts) as open_price,
        max(bars.high) as high_to_cutoff,
        min(bars.low) as low_to_cutoff,
        arg_max(bars.close, bars.bar_ts) as last_price,
        coalesce({{ exact_sum("bars.volume") }}, 0) as volume_to_cutoff,
        count(*) as bars_to_cutoff,
        min(bars.adjustment_factor) as adjustment_factor
    from bars
    cross join cutoffs
    where bars.bar_end <= bars.session_date + cutoffs.cutoff_time::time
    group by bars.symbol, bars.session_date, cutoffs.cutoff_time, bars.calendar
)

select * from final
order by session_date, cutoff_time, symbol
