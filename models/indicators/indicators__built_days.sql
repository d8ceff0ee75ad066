{%- for family in families() %}
-- depends_on: {{ ref('indicators__' ~ family) }}
{%- endfor %}
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
