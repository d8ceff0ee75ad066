-- `signals_on` does not return the stored signals of the session.
{%- set session_date %}(select min(session_date) from {{ ref('scanners__signals') }}){% endset %}

with

stored as (
    select * from {{ ref('scanners__signals') }}
    where session_date = {{ session_date }}
),

called as (
    select * from {{ function('signals_on') }}({{ session_date }})
)

(select * from stored except all select * from called)
union all
(select * from called except all select * from stored)
