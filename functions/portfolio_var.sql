select *
from {{ ref('risk__var_estimates').include(database=false) }}
where
    portfolio = p_portfolio
    and confidence = p_confidence::double
    and horizon_days = p_horizon_days::integer
    and (p_method is null or method = p_method)
    and (p_lookback_days is null or lookback_days = p_lookback_days::integer)
order by session_date, method, lookback_days
