with

delivered as (
    select * from {{ source('raw', 'adjusted_close') }}
),

deliveries as (
    select * from {{ ref('stg_raw__deliveries') }}
)

select
    delivered.symbol,
    delivered.session_date,
    delivered.adjusted_close,
    delivered.calendar,
    delivered.source,
    delivered.source_file,
    delivered.source_row,
    delivered.delivery,
    delivered.delivered_at
from delivered
where delivered.delivery in (select deliveries.delivery from deliveries)
