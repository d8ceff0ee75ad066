-- depends_on: {{ ref('scanners__session_minutes') }}
{{ config(access='private') }}

with

symbol_days as (
    select * from {{ ref('bars__symbol_days') }}
)

select
    symbol_days.symbol,
    symbol_days.session_date,
    symbol_days.is_week_over,
    {{ session_version('symbol_days') }} as version
from symbol_days
order by symbol_days.symbol, symbol_days.session_date
