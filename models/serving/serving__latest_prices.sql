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

calendars as (
    select * from {{ ref('calendars') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

-- of two bars that end together the day, since its close may be that of the auction
last_prices as (
    select *
    from latest_bars
    where timeframe in ('1m', '1d')
    qualify row_number() over (partition by symbol order by bar_end desc, timeframe) = 1
),

prior_sessions as (
    select
        calendar,
        session_date,
        lag(session_date) over (partition by calendar order by session_date) as prior_session_date
    from sessions
),

last_bars as (
    select
        last_prices.*,
        bars.calendar,
        bars.adjusted_close,
        bars.adjustment_factor,
        prior_sessions.prior_session_date
    from last_prices
    inner join bars using (symbol, timeframe, bar_ts)
    left join prior_sessions
        on
            bars.calendar = prior_sessions.calendar
            and last_prices.session_date = prior_sessions.session_date
),

prior_days as (
    select
        symbol,
        session_date as prior_session_date,
        adjusted_close
    from bars
    where timeframe = '1d'
),

final as (
    select
        last_bars.symbol,
        instruments.name,
        instruments.sector,
        last_bars.calendar,
        coalesce(instruments.currency, calendars.currency) as currency,
        last_bars.bar_end as price_ts,
        last_bars.session_date,
        last_bars.close as last_price,
        prior_days.adjusted_close / last_bars.adjustment_factor as prior_close,
        last_bars.adjusted_close / nullif(prior_days.adjusted_close, 0) - 1 as session_return,
        last_bars.timeframe,
        last_bars.source
    from last_bars
    left join prior_days using (symbol, prior_session_date)
    left join instruments using (symbol)
    left join calendars using (calendar)
)

select * from final
order by symbol
