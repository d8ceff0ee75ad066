{% macro get_incremental_stale_sessions_sql(arguments) -%}
{%- set minutes = arguments.target_relation -%}
delete from {{ minutes }}
using {{ ref('bars__day_changes') }} as days
where
    {{ minutes }}.symbol = days.symbol
    and {{ minutes }}.session_date = days.session_date
    and days.version_changed_in > {{ built_through(['scanners__session_minutes']) }}
{%- endmacro %}
