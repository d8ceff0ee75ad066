with

deliveries as (
    select * from {{ ref('stg_raw__deliveries') }}
)

select
    md5(coalesce(string_agg(delivery, ',' order by delivery), '')) as data_version,
    count(*) as delivery_count,
    max(delivered_at) as last_delivered_at
from deliveries
