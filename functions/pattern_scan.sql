{%- set at = any_cutoff(ref('pattern_presets')) -%}
with {{ at.chosen_presets }}

select *
from (
    {{ pattern_scan_query(
        presets=at.presets,
        session_to_cutoff=at.session_to_cutoff,
        expected_volumes=at.expected_volumes,
        sessions=ref('bars__sessions').include(database=false),
        pattern_events=ref('scanners__pattern_events').include(database=false),
        pattern_records=ref('scanners__pattern_records').include(database=false),
    ) | indent }}
)
order by session_date, signal_rank nulls last, score desc, symbol
