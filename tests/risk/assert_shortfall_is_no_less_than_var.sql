-- The mean of the losses at or beyond the value at risk is less than it, or one is known and the
-- other is not.
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
    horizon_days,
    lookback_days,
    var_return,
    es_return
from estimates
where
    es_return < var_return - {{ tolerance }} * greatest(1, abs(var_return))
    or (es_return is null) != (var_return is null)
