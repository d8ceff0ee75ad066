{{ prior_sessions_query(
    session_minutes=ref('scanners__session_minutes'),
    sessions=ref('bars__sessions'),
    conflicts=ref('bars__day_minute_conflicts'),
    bars=ref('bars__ohlcv'),
    families={
        'momentum': ref('indicators__momentum'),
        'macd': ref('indicators__macd'),
        'moving_averages': ref('indicators__moving_averages'),
        'bands': ref('indicators__bands'),
        'directional_movement': ref('indicators__directional_movement'),
        'stops': ref('indicators__stops'),
    },
) }}
order by session_date, symbol
