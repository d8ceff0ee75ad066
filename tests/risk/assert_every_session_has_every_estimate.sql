-- A session of a portfolio, or the one to come, lacks an estimate that was asked for, or has one
-- too many; an estimate that cannot be made is a row too, with nulls.
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

portfolios as (
    select * from {{ ref('portfolios') }}
),

calendar_sessions as (
    select * from {{ ref('bars__sessions') }}
),

last_sessions as (
    select
        portfolio,
        max(session_date) as last_session_date
    from returns
    group by portfolio
),

sessions as (
    select
        portfolio,
        session_date
    from returns
    union all
    select
        portfolio,
        min(calendar_sessions.session_date) as session_date
    from last_sessions
    inner join portfolios using (portfolio)
    inner join calendar_sessions
        on portfolios.calendar = calendar_sessions.calendar
            and last_sessions.last_session_date < calendar_sessions.session_date
    group by portfolio
),

wanted as (
    select
        sessions.portfolio,
        sessions.session_date,
        settings.method,
        settings.confidence,
        settings.horizon_days,
        settings.lookback_days
    from sessions
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
