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
        benchmark_returns.benchmark_close,
        benchmark_returns.benchmark_prior_close,
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

openings as (
    select
        *,
        lag(equity_ratio, 1, 1) over (partition by portfolio, basis order by session_date)
            as opening_ratio
    from paths
),

compared as (
    select
        *,
        -- both start from the same point
        {{ benchmark_growth('to_date') | indent(8) }}
        * arg_min(
            case
                when benchmark_prior_close is not null then opening_ratio
                when benchmark_close is not null then equity_ratio
            end,
            session_date
        ) over to_date as benchmark_equity_ratio
    from openings
    window to_date as (
        partition by portfolio, basis order by session_date
        rows between unbounded preceding and current row
    )
),

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
        benchmark_equity_ratio,
        risk_free_return,
        min_acceptable_return
    from compared
)

select * from final
order by portfolio, basis, session_date
