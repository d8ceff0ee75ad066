{% macro stale_sessions_deleted(relation) -%}
{%- set stale_sessions = stale_sessions() -%}
{%- if execute and load_relation(relation) -%}
delete from {{ relation }}
using ({{ stale_sessions }}) as stale
where
    {{ relation }}.symbol = stale.symbol
    and {{ relation }}.session_date = stale.session_date
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
