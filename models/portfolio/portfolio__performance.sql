with

session_returns as (
    select
        portfolio,
        basis,
        session_date,
        prior_session_date,
        sessions_per_year,
        session_return,
        stale_price_count,
        benchmark_return,
        risk_free_return,
        min_acceptable_return
    from {{ ref('portfolio__equity') }}
),

{{ performance_figures('session_returns', 'portfolio, basis', 'sessions_per_year') }}

select * from final
order by portfolio, basis
