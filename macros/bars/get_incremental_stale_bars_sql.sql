{% macro get_incremental_stale_bars_sql(arguments) -%}
{%- set bars = arguments.target_relation -%}
delete from {{ bars }}
using ({{ stale_symbols(built_to(['bars__ohlcv', 'bars__rejected'])) }}) as stale
where
    {{ bars }}.symbol = stale.symbol
    and {{ bars }}.session_date
    >= if({{ bars }}.timeframe = '1w', stale.stale_week_from, stale.stale_from);

-- unreadable rows have no symbol, and each build writes all of them again
delete from {{ bars }} where symbol is null
{%- endmacro %}
