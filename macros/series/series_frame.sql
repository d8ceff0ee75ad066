{% macro series_frame(bars) -%}
over (partition by symbol, timeframe order by bar_number rows between {{ bars - 1 }} preceding and current row)
{%- endmacro %}
