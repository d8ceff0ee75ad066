{#- It omits the database's name, so that it can be read whatever the file is attached as. -#}
{{ config(materialized='view') }}

with

estimates as (
    select * from {{ ref('risk__var_estimates').include(database=false) }}
),

-- each portfolio's own, because an account may end before the others
last_sessions as (
    select
        portfolio,
        max(session_date) as session_date
    from estimates
    group by portfolio
)

select *
from estimates
semi join last_sessions using (portfolio, session_date)
