with

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe in ('1m', '1d')
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

last_bars as (
    select
        symbol,
        timeframe,
        calendar,
        max(bar_end) as last_bar_end,
        max(session_date) as last_session_date
    from bars
    group by symbol, timeframe, calendar
),

markets as (
    select
        *,
        max(last_session_date) over (partition by calendar, timeframe) as market_session_date
    from last_bars
),

final as (
    select
        markets.symbol,
        markets.timeframe,
        markets.calendar,
        markets.last_bar_end,
        markets.last_session_date,
        markets.market_session_date,
        market_day.session_number - own_day.session_number as sessions_behind
    from markets
    inner join sessions as own_day
        on
            markets.calendar = own_day.calendar
            and markets.last_session_date = own_day.session_date
    inner join sessions as market_day
        on
            markets.calendar = market_day.calendar
            and markets.market_session_date = market_day.session_date
)

select * from final
order by symbol, timeframe
