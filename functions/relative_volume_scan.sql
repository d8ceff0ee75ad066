{%- set at = any_cutoff(ref('relative_volume_presets')) -%}
with {{ at.chosen_presets }}

select *
from (
    {{ relative_volume_scan_query(
        presets=at.presets,
        session_to_cutoff=at.session_to_cutoff,
        expected_volumes=at.expected_volumes,
        histories=ref('scanners__histories').include(database=false),
    ) | indent }}
)
order by session_date, signal_rank nulls last, score desc, symbol
