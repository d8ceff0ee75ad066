with

delivered as (
    select * from {{ source('raw', 'unreadable') }}
),

deliveries as (
    select * from {{ ref('stg_raw__deliveries') }}
)

select
    delivered.source,
    delivered.source_file,
    delivered.source_row,
    delivered.rule,
    delivered.content,
    delivered.delivery,
    delivered.delivered_at
from delivered
where delivered.delivery in (select deliveries.delivery from deliveries)
