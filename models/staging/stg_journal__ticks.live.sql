-- the ticks of the session in progress, as they arrive
select
    symbol,
    traded_at,
    received_at,
    price,
    quantity,
    cumulative_volume,
    null::double as bid,
    null::double as ask,
    getvariable('session_date') as session_date,
    getvariable('calendar') as calendar,
    'ticks' as source,
    'live' as recording,
    null::timestamp as recorded_until
from live.ticks
