{{ momentum_scan_query(
    presets=ref('momentum_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
) }}
order by session_date, cutoff_time, preset, symbol
