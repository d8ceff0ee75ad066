{% macro rows_out_of_order(relation) -%}
select count(*) as row_count
from (
    select
        symbol,
        timeframe,
        bar_ts,
        lag(symbol) over () as symbol_before,
        lag(timeframe) over () as timeframe_before,
        lag(bar_ts) over () as bar_ts_before
    from {{ relation }}
)
where
    symbol < symbol_before
    or symbol = symbol_before and timeframe < timeframe_before
    or symbol = symbol_before and timeframe = timeframe_before and bar_ts <= bar_ts_before
{%- endmacro %}
