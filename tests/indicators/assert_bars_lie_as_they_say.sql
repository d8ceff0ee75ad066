-- The bars say of themselves that they lie in the order of their series, and do not: indicators
-- that stream through them have taken one series' bars for another's.
{%- set bars = ref('bars__ohlcv') %}
select *
from ({{ rows_out_of_order(bars) }})
where row_count > 0 and {{ rows_lie_in_order(bars) | lower }}
