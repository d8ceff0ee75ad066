{{ config(access='private') }}

with

so_far as (
    select * from {{ ref('scanners__sessions_so_far') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '5m'
),

volatility as (
    select * from {{ ref('indicators__volatility') }}
    where timeframe = '5m'
),

directional_movement as (
    select * from {{ ref('indicators__directional_movement') }}
    where timeframe = '5m'
),

last_bars as (
    select
        so_far.symbol,
        so_far.session_date,
        so_far.cutoff_time,
        max(bars.bar_ts) as bar_ts
    from so_far
    inner join bars using (symbol, session_date)
    where bars.bar_end <= so_far.session_date + so_far.cutoff_time::time
    group by
        so_far.symbol,
        so_far.session_date,
        so_far.cutoff_time
),

final as (
    select
        last_bars.symbol,
        last_bars.session_date,
        last_bars.cutoff_time,
        last_bars.bar_ts,
        volatility.natr_14,
        directional_movement.adx_14
    from last_bars
    inner join volatility using (symbol, bar_ts)
    inner join directional_movement using (symbol, bar_ts)
)

select * from final
order by session_date, cutoff_time, symbol
