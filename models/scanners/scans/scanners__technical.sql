{{ technical_scan_query(
    presets=ref('technical_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
    prior_sessions=ref('scanners__prior_sessions'),
) }}
order by session_date, cutoff_time, preset, symbol
