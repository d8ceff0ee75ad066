{{ breakout_scan_query(
    presets=ref('breakout_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
    histories=ref('scanners__histories'),
    score_tiers=ref('score_tiers'),
) }}
order by session_date, cutoff_time, preset, symbol
