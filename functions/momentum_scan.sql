{%- set at = any_cutoff(ref('momentum_presets')) -%}
with {{ at.chosen_presets }}

select *
from (
    {{ momentum_scan_query(
        presets=at.presets,
        session_to_cutoff=at.session_to_cutoff,
        expected_volumes=at.expected_volumes,
    ) | indent }}
)
order by session_date, signal_rank nulls last, score desc, symbol
