with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

last_sessions as (
    select
        portfolio,
        max(session_date) as last_session_date
    from returns
    group by portfolio
),

final as (
    select
        portfolio,
        any_value(last_sessions.last_session_date) as last_session_date,
        min(sessions.session_date) as next_session_date
    from last_sessions
    inner join portfolios using (portfolio)
    inner join sessions
        on portfolios.calendar = sessions.calendar
            and last_sessions.last_session_date < sessions.session_date
    group by portfolio
)

select * from final
order by portfolio
