-- every symbol is built again, from this session on
select
    symbol,
    session_date as stale_from,
    session_date as stale_week_from
from bars.delivered_days
