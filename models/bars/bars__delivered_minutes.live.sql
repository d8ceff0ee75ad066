-- the minutes of the session in progress that are complete
select
    symbol,
    bar_ts,
    getvariable('session_date') as session_date,
    open,
    high,
    low,
    close,
    volume,
    getvariable('calendar') as calendar,
    'ticks' as source,
    null::varchar as source_file,
    null::bigint as source_row,
    'live' as delivery,
    null::timestamp as delivered_at
from live.minutes
