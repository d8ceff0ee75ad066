select *
from {{ ref('scanners__signals').include(database=false) }}
where session_date = p_session_date::date and {{ session_exists() }}
order by scanner, preset, signal_rank
