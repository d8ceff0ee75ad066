-- The expected shortfall is below the value at risk, or only one of them is NULL.
{%- set tolerance = 1e-12 %}

with

estimates as (
    select * from {{ ref('risk__var_estimates') }}
)

select
    portfolio,
    session_date,
    method,
    confidence,
    horizon_sessions,
    lookback_sessions,
    var_return,
    es_return
from estimates
where
    es_return < var_return - {{ tolerance }} * greatest(1, abs(var_return))
    or (es_return is null) != (var_return is null)
