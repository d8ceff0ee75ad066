{% macro table_macros() -%}
{%- set bars = ref('bars__ohlcv').include(database=false) -%}
{%- if execute and target.type == 'duckdb' -%}
    {%- for name in page_names() %}
{{ table_macro(name, bars) }}
    {%- endfor %}
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
