-- A portfolio's session, the next one included, lacks an estimate of `var_settings` or has one too
-- many. An estimate that cannot be computed must be a row too, with NULLs.
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

requested as (
    select
        sessions.portfolio,
        sessions.session_date,
        settings.method,
        settings.confidence,
        settings.horizon_sessions,
        settings.lookback_sessions
    from sessions
    cross join settings
)

select
    portfolio,
    session_date,
    method,
    confidence,
    horizon_sessions,
    lookback_sessions,
    requested.portfolio is not null as is_requested
from requested
full outer join estimates
    using (portfolio, session_date, method, confidence, horizon_sessions, lookback_sessions)
where requested.portfolio is null or estimates.portfolio is null
