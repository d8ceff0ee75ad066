{{ expected_volumes_query(
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    session_minutes=ref('scanners__session_minutes'),
    sessions=ref('scanners__sessions'),
    cutoffs=ref('scanners__cutoffs'),
) }}
order by session_date, cutoff_time, history_sessions, symbol
