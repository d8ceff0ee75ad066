-- The table of bars is recorded as stored in the order of its series, and is not: indicators that
-- stream through it have mixed up series.
{%- set bars = ref('bars__ohlcv') %}
select *
from ({{ rows_out_of_order(bars) }})
where row_count > 0 and {{ has_series_order(bars) | lower }}
