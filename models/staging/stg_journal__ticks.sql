with

recorded as (
    select * from {{ source('journal', 'ticks') }}
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
{%- if var('as_of') %}
where recorded_until <= timestamp '{{ var("as_of") }}'
{%- endif %}
