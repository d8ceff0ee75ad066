{%- set portfolios = ref('portfolios').include(database=false) -%}
{%- set var_settings = ref('var_settings').include(database=false) -%}
select *
from {{ ref('risk__var_estimates').include(database=false) }}
where
    portfolio = p_portfolio
    and {{ name_exists('portfolio', 'p_portfolio', portfolios, 'portfolio') | indent }}
    and {{ name_exists('VaR method', 'p_method', var_settings, 'method') | indent }}
    and confidence = p_confidence::double
    and horizon_sessions = p_horizon_sessions::integer
    and (p_method is null or method = p_method)
    and (p_lookback_sessions is null or lookback_sessions = p_lookback_sessions::integer)
order by session_date, method, lookback_sessions
