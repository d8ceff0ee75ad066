with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

next_sessions as (
    select * from {{ ref('risk__next_sessions') }}
),

settings as (
    select * from {{ ref('var_settings') }}
),

-- estimates that are scaled to their horizon use daily returns
horizons as (
    select
        horizon_sessions,
        horizon_sessions - 1 as earlier_sessions
    from settings
    union
    select
        1 as horizon_sessions,
        0 as earlier_sessions
),

sessions as (
    select
        portfolio,
        session_date,
        gross_return
    from returns
    union all
    select
        portfolio,
        next_session_date as session_date,
        null as gross_return
    from next_sessions
),

compounded as (
    select
        sessions.portfolio,
        sessions.session_date,
        horizons.horizon_sessions,
        count(sessions.gross_return) over horizon as return_count,
        list(1 + sessions.gross_return) over horizon as growths
    from sessions
    cross join horizons
    window
        horizon as (
            partition by sessions.portfolio, horizons.horizon_sessions
            order by sessions.session_date
            rows between earlier_sessions preceding and current row
        )
),

final as (
    select
        portfolio,
        session_date,
        horizon_sessions,
        if(return_count = horizon_sessions, list_product(growths) - 1, null) as horizon_return
    from compounded
)

select * from final
order by portfolio, horizon_sessions, session_date
