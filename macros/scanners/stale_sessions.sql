{% macro stale_sessions() -%}
{%- set built_days = built_days('scanners') -%}
select
    symbol,
    session_date
from {{ ref('bars__symbol_days') }} as wanted
{%- if built_days %}
full join {{ built_days }} as built using (symbol, session_date)
where built.version is distinct from {{ session_version('wanted') }}
{%- endif %}
{%- endmacro %}
