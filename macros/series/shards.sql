{% macro series_shards(plan, outputs, bars, timeframes) -%}
{#-
    A stream of rows is one core's work, so that the symbols are cut into as many ranges as there are
    cores. The bars are sorted only where they are not known to lie in order.
-#}
{%- set in_order = plan.lowering == 'windows' or has_series_order(bars) -%}
{%- set bounds = symbol_ranges(bars) -%}
{%- set shards = [] -%}
{%- for bound in bounds -%}
    {%- set source = bars ~ ' where ' ~ series_of_timeframes(timeframes) ~ ' and ' ~ bound
        ~ ('' if in_order else ' order by symbol, timeframe, bar_ts') -%}
    {%- do shards.append(series_steps(plan, outputs, source)) -%}
{%- endfor -%}
{%- if shards | length == 1 -%}
{{ shards[0] }}
{%- else -%}
with
{% for shard in shards %}
shard_{{ loop.index }} as not materialized (
{{ shard }}
){{ ',' if not loop.last }}
{% endfor %}
{% for shard in shards %}
select * from shard_{{ loop.index }}
{{ 'union all' if not loop.last }}
{% endfor %}
{%- endif -%}
{%- endmacro %}

{% macro symbol_ranges(bars) -%}
{#- As many conditions as there are cores, each for a range of symbols with as many bars. -#}
{%- set cores = env_var('BOURSE_THREADS', '2') | int -%}
{%- if cores == 1 or not load_relation(bars) -%}
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

{% macro series_of_timeframes(timeframes) -%}
{#-
    Not `in`: of four values and more DuckDB makes a join, which holds back a handful of rows that are
    left of a chunk until later ones have passed, and a stream relies on the order of its rows.
-#}
{%- if timeframes is none -%}{{ return('true') }}{%- endif -%}
{{ return("case timeframe when '" ~ timeframes | join("' then true when '") ~ "' then true else false end") }}
{%- endmacro %}
