{%- set at = any_cutoff(ref('technical_presets')) -%}
with {{ at.chosen_presets }}

select *
from (
    {{ technical_scan_query(
        presets=at.presets,
        session_to_cutoff=at.session_to_cutoff,
        expected_volumes=at.expected_volumes,
        prior_sessions=ref('scanners__prior_sessions').include(database=false),
    ) | indent }}
)
order by session_date, signal_rank nulls last, score desc, symbol
