{% macro symbol_ranges(bars) -%}
{#- As many conditions as there are cores, each for a range of symbols with as many bars. -#}
{%- set cores = env_var('BOURSE_THREADS', '2') | int -%}
{%- if target.type != 'duckdb' or cores == 1 or not load_relation(bars) -%}
    {{ return(['true']) }}
{%- endif -%}
{%- set found = run_query(
    "select min(symbol), sum(bar_count) from (
        select symbol, bar_count, (" ~ cores ~ " * (sum(bar_count) over (order by symbol) - bar_count))
            // sum(bar_count) over () as range_number
        from (select symbol, count(*) as bar_count from " ~ bars ~ " group by symbol)
    ) group by range_number order by range_number"
) -%}
{%- set firsts = [] -%}
{%- for symbol, bar_count in found.rows[1:] if bar_count > 100000 -%}
    {%- do firsts.append("'" ~ dbt.escape_single_quotes(symbol) ~ "'") -%}
{%- endfor -%}
{%- set ranges = [] -%}
{%- for i in range(firsts | length + 1) -%}
    {%- set conditions = [] -%}
    {%- if i > 0 -%}{%- do conditions.append('symbol >= ' ~ firsts[i - 1]) -%}{%- endif -%}
    {%- if i < firsts | length -%}{%- do conditions.append('symbol < ' ~ firsts[i]) -%}{%- endif -%}
    {%- do ranges.append(conditions | join(' and ') or 'true') -%}
{%- endfor -%}
{{ return(ranges) }}
{%- endmacro %}
