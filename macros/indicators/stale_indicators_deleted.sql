{% macro stale_indicators_deleted(relation) -%}
{%- set stale_symbols = ref('indicators__stale_symbols') -%}
{%- if execute and '-- continues with code ' in (model.get('compiled_code') or '') -%}
delete from {{ relation }}
using {{ stale_symbols }} as stale
where
    {{ relation }}.bar_ts >= ({{ first_stale_ts(stale_symbols) }})
    and {{ relation }}.symbol = stale.symbol
    and {{ relation }}.bar_ts
    >= if({{ relation }}.timeframe = '1w', stale.stale_week_from_ts, stale.stale_from_ts)
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
