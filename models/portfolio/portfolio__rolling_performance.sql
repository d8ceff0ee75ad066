with

equity as (
    select * from {{ ref('portfolio__equity') }}
),

windows as (
    select * from {{ ref('portfolio_windows') }}
),

session_returns as (
    select
        equity.*,
        windows.window_sessions,
        windows.window_sessions - 1 as earlier_sessions
    from equity
    cross join windows
),

final as (
    select
        portfolio,
        basis,
        window_sessions,
        session_date,
        {{ return_figures('recent', 'sessions_per_year') | indent(8) }}
    from session_returns
    window
        recent as (
            partition by portfolio, basis, window_sessions
            order by session_date
            rows between earlier_sessions preceding and current row
        ),
        to_date as (
            partition by portfolio, basis, window_sessions
            order by session_date
        )
    qualify row_number() over to_date >= window_sessions
)

select * exclude (last_session_date) from final
order by portfolio, basis, window_sessions, session_date
