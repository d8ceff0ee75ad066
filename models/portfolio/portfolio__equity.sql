with

portfolios as (
    select * from {{ ref('portfolios') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

returns as (
    select * from {{ ref('portfolio__returns') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

bases as (
    select
        portfolio,
        'gross' as basis,
        session_date,
        gross_return as session_return,
        stale_price_count
    from returns
    union all
    select
        portfolio,
        'net' as basis,
        session_date,
        net_return as session_return,
        stale_price_count
    from returns
),

neighbours as (
    select
        sessions.calendar,
        sessions.session_date,
        earlier.session_date as previous_session_date
    from sessions
    inner join sessions as earlier
        on
            sessions.calendar = earlier.calendar
            and sessions.session_number - 1 = earlier.session_number
),

-- a benchmark's return is of the same session: from the close of the one before to its own
benchmark_returns as (
    select
        portfolios.portfolio,
        neighbours.session_date,
        current.total_return_close / previous.total_return_close - 1 as benchmark_return
    from portfolios
    inner join neighbours using (calendar)
    inner join closes as current
        on portfolios.benchmark = current.symbol and neighbours.session_date = current.session_date
    inner join closes as previous
        on
            portfolios.benchmark = previous.symbol
            and neighbours.previous_session_date = previous.session_date
),

session_returns as (
    select
        portfolio,
        bases.basis,
        session_date,
        neighbours.previous_session_date,
        calendars.sessions_per_year,
        bases.session_return,
        bases.stale_price_count,
        benchmark_returns.benchmark_return,
        pow(1 + portfolios.risk_free_return, 1 / calendars.sessions_per_year::double) - 1
            as risk_free_return,
        pow(1 + portfolios.min_acceptable_return, 1 / calendars.sessions_per_year::double) - 1
            as min_acceptable_return
    from bases
    inner join portfolios using (portfolio)
    inner join calendars using (calendar)
    inner join neighbours using (calendar, session_date)
    left join benchmark_returns using (portfolio, session_date)
),

{{ equity_paths('session_returns', 'portfolio, basis') }},

final as (
    select
        portfolio,
        basis,
        session_date,
        previous_session_date,
        sessions_per_year,
        session_return,
        stale_price_count,
        equity_ratio,
        peak_ratio,
        drawdown,
        benchmark_return,
        risk_free_return,
        min_acceptable_return
    from paths
)

select * from final
order by portfolio, basis, session_date
