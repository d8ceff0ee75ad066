{{ config(materialized='ephemeral') }}

select
    symbol,
    session_date
from {{ ref('bars__day_changes') }}
where version_changed_in > {{ built_through(['scanners__session_minutes']) }}
