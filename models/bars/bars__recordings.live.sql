-- one recording, the session in progress
select
    getvariable('session_date') as session_date,
    getvariable('calendar') as calendar,
    'ticks' as source,
    'live' as recording,
    'live' as delivery,
    null::bigint as tick_count,
    null::bigint as symbol_count,
    null::timestamp as first_received_at,
    null::timestamp as last_received_at,
    null::timestamp as delivered_at
