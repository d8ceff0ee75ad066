{{ sideways_scan_query(
    presets=ref('sideways_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
    last_five_minutes=ref('scanners__last_five_minutes'),
) }}
order by session_date, cutoff_time, preset, symbol
