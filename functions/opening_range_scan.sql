{%- set at = any_cutoff(ref('opening_range_presets')) -%}
with {{ at.chosen_presets }}

select *
from (
    {{ opening_range_scan_query(
        presets=at.presets,
        session_to_cutoff=at.session_to_cutoff,
        expected_volumes=at.expected_volumes,
        opening_ranges=ref('scanners__opening_ranges').include(database=false),
    ) | indent }}
)
order by session_date, signal_rank nulls last, score desc, symbol
