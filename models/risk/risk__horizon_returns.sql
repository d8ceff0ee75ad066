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
        horizon_days,
        horizon_days - 1 as earlier_days
    from settings
    union
    select
        1 as horizon_days,
        0 as earlier_days
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
        horizons.horizon_days,
        count(sessions.gross_return) over horizon as known_days,
        list(1 + sessions.gross_return) over horizon as growths
    from sessions
    cross join horizons
    window
        horizon as (
            partition by sessions.portfolio, horizons.horizon_days
            order by sessions.session_date
            rows between earlier_days preceding and current row
        )
),

final as (
    select
        portfolio,
        session_date,
        horizon_days,
        if(known_days = horizon_days, list_product(growths) - 1, null) as horizon_return
    from compounded
)

select * from final
order by portfolio, horizon_days, session_date
