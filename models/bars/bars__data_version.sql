with

delivered as (
    select * from {{ ref('stg_raw__deliveries') }}
),

recordings as (
    select * from {{ ref('bars__recordings') }}
),

deliveries as (
    select
        delivery,
        delivered_at
    from delivered
    union all
    select
        delivery,
        delivered_at
    from recordings
)

select
    md5(coalesce(string_agg(delivery, ',' order by delivery), '')) as data_version,
    count(*) as delivery_count,
    max(delivered_at) as last_delivered_at
from deliveries
