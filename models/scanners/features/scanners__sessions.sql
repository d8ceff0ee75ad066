{{ sessions_query(
    session_minutes=ref('scanners__session_minutes'),
    sessions=ref('bars__sessions'),
) }}
order by calendar, session_date
