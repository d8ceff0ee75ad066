{%- set at = any_cutoff(ref('sideways_presets')) -%}
{%- set five_minutes = last_five_minutes_query(
    session_to_cutoff=at.session_to_cutoff,
    bars=ref('bars__ohlcv').include(database=false),
    volatility=ref('indicators__volatility').include(database=false),
    directional_movement=ref('indicators__directional_movement').include(database=false),
) -%}
with {{ at.chosen_presets }}

select *
from (
    {{ sideways_scan_query(
        presets=at.presets,
        session_to_cutoff=at.session_to_cutoff,
        expected_volumes=at.expected_volumes,
        last_five_minutes='(' ~ five_minutes ~ ')',
    ) | indent }}
)
order by session_date, rejected_by is not null, score desc, symbol
