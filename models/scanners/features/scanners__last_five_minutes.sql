{{ last_five_minutes_query(
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    bars=ref('bars__ohlcv'),
    volatility=ref('indicators__volatility'),
    directional_movement=ref('indicators__directional_movement'),
) }}
order by session_date, cutoff_time, symbol
