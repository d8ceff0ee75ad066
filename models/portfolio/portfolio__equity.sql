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

{{ benchmark_returns('portfolios', 'portfolio') }},

session_returns as (
    select
        portfolio,
        bases.basis,
        session_date,
        session_pairs.prior_session_date,
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
    inner join session_pairs using (calendar, session_date)
    left join benchmark_returns using (portfolio, session_date)
),

{{ equity_paths('session_returns', 'portfolio, basis') }},

final as (
    select
        portfolio,
        basis,
        session_date,
        prior_session_date,
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
