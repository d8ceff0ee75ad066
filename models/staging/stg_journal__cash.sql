with

recorded as (
    select * from {{ source('journal', 'cash') }}
)

select
    account,
    cash_id,
    kind,
    amount,
    value_date,
    note,
    recorded_at
from recorded
{%- if var('as_of') %}
where recorded_at <= timestamp '{{ var("as_of") }}'
{%- endif %}
