{{ new_high_scan_query(
    presets=ref('new_high_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
    histories=ref('scanners__histories'),
) }}
order by session_date, cutoff_time, preset, symbol
