{% macro series_of_timeframes(timeframes) -%}
{#-
    Not `in`: of four values and more DuckDB makes a join, which holds back a handful of rows that are
    left of a chunk until later ones have passed, and a stream relies on the order of its rows.
-#}
{%- if timeframes is none -%}{{ return('true') }}{%- endif -%}
{{ return("case timeframe when '" ~ timeframes | join("' then true when '") ~ "' then true else false end") }}
{%- endmacro %}
