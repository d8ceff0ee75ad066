{{ opening_range_scan_query(
    presets=ref('opening_range_presets'),
    session_to_cutoff=ref('scanners__session_to_cutoff'),
    expected_volumes=ref('scanners__expected_volumes'),
    opening_ranges=ref('scanners__opening_ranges'),
) }}
order by session_date, cutoff_time, preset, symbol
