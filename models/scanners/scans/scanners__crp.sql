{{ crp_scan_query(
    presets=ref('crp_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
    score_tiers=ref('score_tiers'),
) }}
order by session_date, cutoff_time, preset, symbol
