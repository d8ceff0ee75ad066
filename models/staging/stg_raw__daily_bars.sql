with

delivered as (
    select * from {{ source('raw', 'daily') }}
),

deliveries as (
    select * from {{ ref('stg_raw__deliveries') }}
)

select
    delivered.symbol,
    delivered.session_date,
    delivered.open,
    delivered.high,
    delivered.low,
    delivered.close,
    delivered.volume,
    delivered.calendar,
    delivered.source,
    delivered.source_file,
    delivered.source_row,
    delivered.delivery,
    delivered.delivered_at
from delivered
where delivered.delivery in (select deliveries.delivery from deliveries)
