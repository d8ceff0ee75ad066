with

recorded as (
    select * from {{ source('journal', 'fills') }}
)

select
    account,
    fill_key,
    order_id,
    symbol,
    side,
    quantity,
    price,
    charges_amount,
    filled_at,
    recorded_at,
    -- files that were exported before there were strategies have none
    coalesce(strategy, '') as strategy
from recorded
{%- if var('as_of') %}
where recorded_at <= timestamp '{{ var("as_of") }}'
{%- endif %}
