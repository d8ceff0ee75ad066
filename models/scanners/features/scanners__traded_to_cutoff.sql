{{ traded_to_cutoff_query(
    session_minutes=ref('scanners__session_minutes'),
    sessions=ref('scanners__sessions'),
    cutoffs=ref('scanners__cutoffs'),
    histories=ref('scanners__histories'),
    conflicts=ref('bars__day_minute_conflicts'),
) }}
order by session_date, cutoff_time, symbol
