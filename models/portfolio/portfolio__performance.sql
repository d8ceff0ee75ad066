with

session_returns as (
    select
        portfolio,
        basis,
        session_date,
        session_return,
        benchmark_return,
        risk_free_return,
        min_return
    from {{ ref('portfolio__equity') }}
),

{{ performance_figures('session_returns', 'portfolio, basis', var('sessions_per_year')) }}

select * from final
order by portfolio, basis
