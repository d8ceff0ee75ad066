select *
from {{ ref('scanners__crp').include(database=false) }}
where session_date = p_session_date::date and preset = p_preset
order by signal_rank nulls last, crp_score desc, symbol
