with

latest_bars as (
    select * from {{ ref('serving__latest_bars') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

instruments as (
    select * from {{ ref('instruments') }}
),

-- of two bars that end together the day, since its close may be that of the auction
last_prices as (
    select *
    from latest_bars
    where timeframe in ('1m', '1d')
    qualify row_number() over (partition by symbol order by bar_end desc, timeframe) = 1
),

prior_days as (
    select
        bars.symbol,
        arg_max(bars.adjusted_close, bars.session_date) as adjusted_close
    from bars
    inner join last_prices using (symbol)
    where bars.timeframe = '1d' and bars.session_date < last_prices.session_date
    group by bars.symbol
),

final as (
    select
        last_prices.symbol,
        instruments.name,
        instruments.sector,
        instruments.currency,
        last_prices.bar_end as price_ts,
        last_prices.session_date,
        last_prices.close as last_price,
        prior_days.adjusted_close / bars.adjustment_factor as prior_close,
        bars.adjusted_close / nullif(prior_days.adjusted_close, 0) - 1 as session_return,
        last_prices.timeframe,
        last_prices.source
    from last_prices
    inner join bars using (symbol, timeframe, bar_ts)
    left join prior_days using (symbol)
    left join instruments using (symbol)
)

select * from final
order by symbol
