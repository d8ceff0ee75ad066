{{ pattern_scan_query(
    presets=ref('pattern_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
    sessions=ref('bars__sessions'),
    pattern_events=ref('scanners__pattern_events'),
    pattern_records=ref('scanners__pattern_records'),
) }}
order by session_date, cutoff_time, preset, symbol
