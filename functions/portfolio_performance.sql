{%- set portfolios = ref('portfolios').include(database=false) -%}
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
    from {{ ref('portfolio__equity').include(database=false) }}
    where
        portfolio = p_portfolio
        and {{ name_exists('portfolio', 'p_portfolio', portfolios, 'portfolio') | indent(8) }}
        -- one condition, so that a range without days is not cut short before its dates are checked
        and case
            when {{ dates_in_order('p_first_session_date', 'p_last_session_date') | indent(12) }}
                then
                    session_date >= coalesce(p_first_session_date::date, session_date)
                    and session_date <= coalesce(p_last_session_date::date, session_date)
        end
),

{{ performance_figures('session_returns', 'portfolio, basis', 'sessions_per_year') }}

select *
from final
order by basis
