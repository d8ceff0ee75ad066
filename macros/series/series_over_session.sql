{% macro series_over_session() -%}
over (partition by symbol, timeframe, bar_number - session_bar_number order by bar_number rows unbounded preceding)
{%- endmacro %}
