-- A session of a portfolio lacks an estimate of some method or setting, or has one too many; an
-- estimate that cannot be made is a row too, with nulls.
with

estimates as (
    select * from {{ ref('risk__var_estimates') }}
),

returns as (
    select * from {{ ref('portfolio__returns') }}
),

settings as (
    select * from {{ ref('var_settings') }}
),

methods as (
    select distinct method from estimates
),

wanted as (
    select
        returns.portfolio,
        returns.session_date,
        methods.method,
        settings.confidence,
        settings.horizon_days,
        settings.lookback_days
    from returns
    cross join methods
    cross join settings
)

select
    portfolio,
    session_date,
    method,
    confidence,
    horizon_days,
    lookback_days,
    wanted.portfolio is not null as is_wanted
from wanted
full outer join estimates
    using (portfolio, session_date, method, confidence, horizon_days, lookback_days)
where wanted.portfolio is null or estimates.portfolio is null
