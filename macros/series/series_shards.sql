{% macro series_shards(plan, outputs, bars, timeframes) -%}
{#-
    A stream of rows is one core's work, so that the symbols are cut into as many ranges as there are
    cores. The bars are sorted only where they are not known to lie in order.
-#}
{%- set in_order = plan.lowering == 'windows' or rows_lie_in_order(bars) -%}
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
