{%- set year = var('sessions_per_year') -%}

with

portfolios as (
    select * from {{ ref('portfolios') }}
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
        gross_return as session_return
    from returns
    union all
    select
        portfolio,
        'net' as basis,
        session_date,
        net_return as session_return
    from returns
),

-- a benchmark's return is of the same session: from the close of the one before to its own
benchmark_returns as (
    select
        portfolios.portfolio,
        sessions.session_date,
        current.total_return_close / previous.total_return_close - 1 as benchmark_return
    from portfolios
    inner join sessions using (calendar)
    inner join sessions as earlier
        on
            sessions.calendar = earlier.calendar
            and sessions.session_number - 1 = earlier.session_number
    inner join closes as current
        on portfolios.benchmark = current.symbol and sessions.session_date = current.session_date
    inner join closes as previous
        on portfolios.benchmark = previous.symbol and earlier.session_date = previous.session_date
),

session_returns as (
    select
        portfolio,
        bases.basis,
        session_date,
        bases.session_return,
        benchmark_returns.benchmark_return,
        pow(1 + portfolios.risk_free_return, 1 / {{ year }}::double) - 1 as risk_free_return,
        pow(1 + portfolios.min_acceptable_return, 1 / {{ year }}::double) - 1 as min_return
    from bases
    inner join portfolios using (portfolio)
    left join benchmark_returns using (portfolio, session_date)
),

{{ equity_paths('session_returns', 'portfolio, basis') }},

final as (
    select
        portfolio,
        basis,
        session_date,
        session_return,
        equity_ratio,
        peak_ratio,
        drawdown_return,
        benchmark_return,
        risk_free_return,
        min_return
    from paths
)

select * from final
order by portfolio, basis, session_date
