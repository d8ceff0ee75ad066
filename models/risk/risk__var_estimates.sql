with

portfolios as (
    select * from {{ ref('portfolios') }}
),

historical as (
    select * from {{ ref('risk__var_historical') }}
),

normal as (
    select * from {{ ref('risk__var_normal') }}
),

-- a further method is a model of its own, imported above and added here
estimates as (
    select * from historical
    union all
    select * from normal
),

final as (
    select
        portfolio,
        estimates.session_date,
        estimates.method,
        estimates.confidence,
        estimates.horizon_days,
        estimates.lookback_days,
        estimates.var_return,
        estimates.es_return,
        estimates.var_return * portfolios.capital_amount as var_amount,
        estimates.es_return * portfolios.capital_amount as es_amount
    from estimates
    inner join portfolios using (portfolio)
)

select * from final
order by portfolio, session_date, method, confidence, horizon_days, lookback_days
