{% macro stale_rows_deleted(relation) -%}
{%- set symbol_days = ref('bars__symbol_days') -%}
{%- if execute and load_relation(relation) -%}
delete from {{ relation }}
using ({{ stale_symbols(symbol_days, 'bars') }}) as stale
where
    {{ relation }}.symbol = stale.symbol
    and {{ relation }}.session_date
    >= if({{ relation }}.timeframe = '1w', stale.stale_week_from, stale.stale_from);

-- unreadable rows have no symbol, and each build writes all of them again
delete from {{ relation }} where symbol is null
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
