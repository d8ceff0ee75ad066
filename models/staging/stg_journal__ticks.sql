with

recorded as (
    select * from {{ source('journal', 'ticks') }}
),

withdrawals as (
    select * from {{ ref('stg_raw__withdrawals') }}
)

select
    symbol,
    traded_at,
    received_at,
    price,
    quantity,
    cumulative_volume,
    bid,
    ask,
    session_date,
    calendar,
    source,
    recording,
    recorded_until
from recorded
-- ticks recorded after a withdrawal are read
anti join withdrawals
    on
        recorded.recording || '@' || recorded.session_date = withdrawals.delivery
        and recorded.recorded_until <= withdrawals.withdrawn_at
{%- if var('as_of') %}
where recorded_until <= timestamp '{{ var("as_of") }}'
{%- endif %}
