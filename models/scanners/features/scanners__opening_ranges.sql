{{ opening_ranges_query(
    session_minutes=ref('scanners__session_minutes'),
    sessions=ref('bars__sessions'),
) }}
order by session_date, range_minutes, symbol
