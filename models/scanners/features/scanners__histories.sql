{{ histories_query(
    session_minutes=ref('scanners__session_minutes'),
    conflicts=ref('bars__day_minute_conflicts'),
    bars=ref('bars__ohlcv'),
    sessions=ref('bars__sessions'),
) }}
order by session_date, lookback_sessions, symbol
