{% macro get_incremental_stale_indicators_sql(arguments) -%}
{%- set family = arguments.target_relation -%}
{%- set stale_symbols = ref('indicators__stale_symbols') -%}
delete from {{ family }}
using {{ stale_symbols }} as stale
where
    {{ family }}.bar_ts >= ({{ first_stale_ts(stale_symbols) }})
    and {{ family }}.symbol = stale.symbol
    and {{ family }}.bar_ts
    >= if({{ family }}.timeframe = '1w', stale.stale_week_from_ts, stale.stale_from_ts)
{%- endmacro %}
