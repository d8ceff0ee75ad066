with

recorded as (
    select * from {{ source('raw', 'withdrawals') }}
)

select
    delivery,
    max(withdrawn_at) as withdrawn_at,
    arg_max_null(reason, withdrawn_at) as reason
from recorded
{%- if var('as_of') %}
where coalesce(withdrawn_at, restored_at) <= timestamp '{{ var("as_of") }}'
{%- endif %}
group by delivery
having max(withdrawn_at) > coalesce(max(restored_at), '-infinity'::timestamp)
