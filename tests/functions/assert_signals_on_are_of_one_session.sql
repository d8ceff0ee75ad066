-- The signals of a session are not those that are stored of it.
{%- set session_date %}(select min(session_date) from {{ ref('scanners__signals') }}){% endset %}

with

stored as (
    select * from {{ ref('scanners__signals') }}
    where session_date = {{ session_date }}
),

asked as (
    select * from {{ function('signals_on') }}({{ session_date }})
)

(select * from stored except all select * from asked)
union all
(select * from asked except all select * from stored)
