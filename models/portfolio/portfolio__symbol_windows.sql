with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

weights as (
    select * from {{ ref('portfolio__weights') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

windows as (
    select window_sessions from {{ ref('portfolio_windows') }}
    union
    select window_sessions from {{ ref('covariance_settings') }}
),

-- the last session of each month; for the current month, the latest session
month_ends as (
    select
        portfolio,
        max(session_date) as session_date
    from returns
    group by portfolio, date_trunc('month', session_date)
),

held as (
    select
        portfolio,
        session_date,
        weights.symbol,
        portfolios.calendar,
        sessions.session_number
    from month_ends
    inner join weights using (portfolio, session_date)
    inner join portfolios using (portfolio)
    inner join sessions using (calendar, session_date)
    where weights.closing_weight is distinct from 0
),

numbered_closes as (
    select
        sessions.calendar,
        sessions.session_number,
        closes.symbol,
        closes.total_return_close
    from closes
    inner join sessions using (session_date)
    where closes.symbol in (select held.symbol from held)
),

symbol_returns as (
    select
        current.calendar,
        current.session_number,
        current.symbol,
        current.total_return_close / previous.total_return_close - 1 as symbol_return
    from numbered_closes as current
    inner join numbered_closes as previous
        on
            current.calendar = previous.calendar
            and current.symbol = previous.symbol
            and current.session_number - 1 = previous.session_number
),

lookbacks as (
    select
        held.*,
        windows.window_sessions,
        unnest(range(windows.window_sessions)) as sessions_ago
    from held
    cross join windows
),

window_returns as (
    select
        lookbacks.portfolio,
        lookbacks.session_date,
        lookbacks.window_sessions,
        lookbacks.symbol,
        count(symbol_returns.symbol_return) as return_count,
        list(symbol_returns.symbol_return order by lookbacks.sessions_ago desc) as returns
    from lookbacks
    left join symbol_returns
        on
            lookbacks.calendar = symbol_returns.calendar
            and lookbacks.symbol = symbol_returns.symbol
            and lookbacks.session_number - lookbacks.sessions_ago
            = symbol_returns.session_number
    group by
        lookbacks.portfolio,
        lookbacks.session_date,
        lookbacks.window_sessions,
        lookbacks.symbol
),

complete_returns as (
    select
        portfolio,
        session_date,
        window_sessions,
        symbol,
        if(return_count = window_sessions, returns, null) as returns,
        list_avg(if(return_count = window_sessions, returns, null)) as mean_return
    from window_returns
),

final as (
    select
        portfolio,
        session_date,
        window_sessions,
        symbol,
        returns,
        list_transform(returns, lambda r: r - mean_return) as deviations
    from complete_returns
)

select * from final
order by portfolio, session_date, window_sessions, symbol
