-- depends_on: {{ ref('scanners__session_minutes') }}
{{ config(access='private') }}

with

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
)

select
    symbol,
    session_date,
    is_week_over,
    {{ session_version('symbol_days') }} as version
from symbol_days
order by symbol, session_date
