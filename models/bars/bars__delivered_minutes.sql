{{ config(materialized='ephemeral') }}

with

minute_bars as (
    select * from {{ ref('stg_raw__minute_bars') }}
),

ticked_minutes as (
    select * from {{ ref('bars__ticked_minutes') }}
)

select
    symbol,
    bar_ts,
    session_date,
    open,
    high,
    low,
    close,
    volume,
    calendar,
    source,
    source_file,
    source_row,
    delivery,
    delivered_at
from minute_bars
union all
select
    symbol,
    bar_ts,
    session_date,
    open,
    high,
    low,
    close,
    volume,
    calendar,
    source,
    source_file,
    source_row,
    delivery,
    delivered_at
from ticked_minutes
where tick_count > 0
