{%- set at = any_cutoff(ref('crp_presets')) -%}
with {{ at.chosen_presets }}

select *
from (
    {{ crp_scan_query(
        presets=at.presets,
        session_to_cutoff=at.session_to_cutoff,
        expected_volumes=at.expected_volumes,
        score_tiers=ref('score_tiers').include(database=false),
    ) | indent }}
)
order by session_date, signal_rank nulls last, score desc, symbol
