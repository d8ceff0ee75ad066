{% macro stale_rows_deleted(relation) -%}
{%- set symbol_days = ref('bars__symbol_days') -%}
{%- if execute and load_relation(relation) -%}
delete from {{ relation }}
using ({{ stale_symbols(symbol_days) }}) as stale
where {{ relation }}.symbol = stale.symbol and {{ relation }}.session_date >= stale.stale_from
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
