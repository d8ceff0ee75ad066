with

delivered_days as (
    select * from {{ ref('bars__delivered_days') }}
),

adjusted_closes as (
    select * from {{ ref('stg_raw__adjusted_closes') }}
),

instruments as (
    select * from {{ ref('instruments') }}
),

named as (
    select
        symbol,
        true as is_delivered
    from delivered_days
    union all
    select
        symbol,
        true as is_delivered
    from adjusted_closes
    union all
    select
        symbol,
        false as is_delivered
    from instruments
),

final as (
    select
        symbol,
        bool_or(is_delivered) as is_delivered,
        bool_or(not is_delivered) as is_instrument
    from named
    group by symbol
)

select * from final
order by symbol
