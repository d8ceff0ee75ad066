-- every minute of the session is computed again
select
    symbol,
    session_date
from bars.delivered_days
