-- every symbol with a complete minute: nothing was copied, and the calendar is the session's
select
    symbol,
    session_date,
    'minute' as kind,
    delivery,
    source,
    calendar,
    calendar as symbol_calendar,
    delivered_at as last_delivered_at,
    count(*) as row_count,
    count(*) as bar_count,
    max(bar_ts) + interval 1 minute as last_bar_end,
    false as is_copied,
    false as is_of_another_calendar
from bars.delivered_minutes
group by symbol, session_date, delivery, source, calendar, delivered_at
