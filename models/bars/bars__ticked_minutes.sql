{{ ticked_minutes_query(
    ticks=ref('stg_journal__ticks'),
    recordings=ref('bars__recordings'),
    calendars=ref('calendars'),
) }}
order by symbol, bar_ts
