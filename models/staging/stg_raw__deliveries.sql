with

delivered as (
    select * from {{ source('raw', 'deliveries') }}
),

withdrawals as (
    select * from {{ ref('stg_raw__withdrawals') }}
)

select
    delivery,
    kind,
    source,
    source_file,
    calendar,
    timezone,
    bar_label,
    delivered_at,
    rows_read as read_row_count,
    rows_kept as kept_row_count,
    rows_unreadable as unreadable_row_count,
    rows_duplicate as duplicate_row_count,
    rows_revised as revised_row_count,
    symbol_count,
    first_session as first_session_date,
    last_session as last_session_date
from delivered
anti join withdrawals using (delivery)
{%- if var('as_of') %}
where delivered_at <= timestamp '{{ var("as_of") }}'
{%- endif %}
