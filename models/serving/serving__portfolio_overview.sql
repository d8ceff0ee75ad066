{#- It omits the database's name, so that it can be read whatever the file is attached as. -#}
{{ config(materialized='view') }}
{%- set method = 'historical' -%}
{%- set confidence = 0.99 -%}
{%- set lookback_sessions = 250 -%}

with

portfolios as (
    select * from {{ ref('portfolios').include(database=false) }}
),

performance as (
    select * from {{ ref('portfolio__performance').include(database=false) }}
    where basis = 'net'
),

equity as (
    select * from {{ ref('portfolio__equity').include(database=false) }}
    where basis = 'net'
),

exposures as (
    select * from {{ ref('portfolio__exposures').include(database=false) }}
    where dimension = 'portfolio'
),

var_today as (
    select * from {{ ref('serving__var_today').include(database=false) }}
    where
        method = '{{ method }}'
        and confidence = {{ confidence }}
        and horizon_sessions = 1
        and lookback_sessions = {{ lookback_sessions }}
)

select
    portfolio,
    portfolios.description,
    portfolios.currency,
    portfolios.benchmark,
    equity.session_date,
    equity.session_return,
    equity.drawdown,
    performance.cumulative_return,
    performance.cagr,
    performance.annualized_volatility,
    performance.sharpe_ratio,
    performance.max_drawdown,
    equity.stale_price_count,
    exposures.position_count,
    exposures.gross_weight,
    exposures.net_weight,
    exposures.largest_symbol,
    exposures.largest_weight,
    var_today.var_return,
    var_today.es_return,
    var_today.var_amount
from portfolios
inner join performance using (portfolio)
inner join equity
    on
        performance.portfolio = equity.portfolio
        and performance.last_session_date = equity.session_date
left join exposures
    on
        performance.portfolio = exposures.portfolio
        and performance.last_session_date = exposures.session_date
left join var_today using (portfolio)
