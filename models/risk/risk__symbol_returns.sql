with

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

spans as (
    select
        closes.symbol,
        calendar,
        min(sessions.session_number) as first_number,
        max(sessions.session_number) as last_number
    from closes
    inner join sessions using (calendar, session_date)
    group by closes.symbol, calendar
),

-- every session after the first price, up to the one after the last price
symbol_sessions as (
    select
        spans.symbol,
        calendar,
        sessions.session_date
    from spans
    inner join sessions using (calendar)
    where sessions.session_number between spans.first_number + 1 and spans.last_number + 1
),

prior_sessions as (
    select
        previous.calendar,
        previous.session_date as prior_session_date,
        current.session_date
    from sessions as previous
    inner join sessions as current
        on previous.calendar = current.calendar
            and previous.session_number = current.session_number - 1
),

final as (
    select
        symbol_sessions.symbol,
        symbol_sessions.session_date,
        calendar,
        current.total_return_close / previous.total_return_close - 1 as symbol_return
    from symbol_sessions
    inner join prior_sessions using (calendar, session_date)
    left join closes as previous
        on symbol_sessions.symbol = previous.symbol
            and prior_sessions.prior_session_date = previous.session_date
    left join closes as current
        on symbol_sessions.symbol = current.symbol
            and symbol_sessions.session_date = current.session_date
)

select * from final
order by symbol, session_date
