-- depends_on: {{ ref('bars__ohlcv') }}
-- depends_on: {{ ref('bars__rejected') }}
with

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
)

select
    symbol,
    session_date,
    is_week_over,
    version
from symbol_days
order by symbol, session_date
