{#- a new method is a model of its own and a name here -#}
{%- set methods = [
    'historical', 'age_weighted', 'filtered_historical', 'normal', 'student_t', 'cornish_fisher',
    'ewma', 'monte_carlo',
] -%}

with

portfolios as (
    select * from {{ ref('portfolios') }}
),

estimates as (
    {% for method in methods -%}
    select * from {{ ref('risk__var_' ~ method) }}
    {%- if not loop.last %}
    union all by name
    {% endif %}
    {%- endfor %}
),

final as (
    select
        portfolio,
        estimates.session_date,
        estimates.method,
        estimates.confidence,
        estimates.horizon_sessions,
        estimates.lookback_sessions,
        estimates.scaling,
        estimates.var_return,
        estimates.es_return,
        estimates.var_return * portfolios.capital_amount as var_amount,
        estimates.es_return * portfolios.capital_amount as es_amount,
        coalesce(estimates.is_outside_domain, false) as is_outside_domain
    from estimates
    inner join portfolios using (portfolio)
)

select * from final
order by portfolio, session_date, method, confidence, horizon_sessions, lookback_sessions
