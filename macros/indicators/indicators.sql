{% macro indicators(calls) -%}
{{- config(
    materialized='changed_ranges',
    incremental_strategy='stale_indicators',
    meta={'any_order': true, 'chooses_query': true},
) -}}
{%- set bars = ref('bars__ohlcv') -%}
{#- A unit test gives some bars and nothing else, and all of them are built. -#}
{%- if model.resource_type != 'unit_test' -%}
    {%- set symbol_days = ref('bars__symbol_days') -%}
    {%- set stale_symbols = ref('indicators__stale_symbols') -%}
    {%- set stale_bars = ref('indicators__stale_bars') -%}
    {%- set stored = ref('stored_indicators') -%}
{%- endif -%}
{#- Nothing below is needed to parse, and all of it takes time. -#}
{%- if not execute -%}{{ return('select 1') }}{%- endif -%}

{%- set plan = series_plan() -%}
{#- A unit test is in another file than the family that it tests. -#}
{%- set family = model.get('tested_node_unique_id', model.unique_id).split('.')[-1] -%}
{%- set outputs = planned_outputs(plan, calls, 'models/indicators/' ~ family ~ '.sql') -%}
{%- if model.resource_type == 'unit_test' -%}
    {{ return(of_given_bars(plan, outputs, bars)) }}
{%- endif -%}
{%- set reach = series_reach(plan, outputs) -%}
{%- set timeframes = stored_timeframes(stored) -%}
{%- set code = built_code(series_steps(plan, outputs, series_of_timeframes(timeframes))) -%}
{%- set is_increment = is_incremental_build(code)
    and is_mostly_fresh(symbol_days, stale_symbols)
    and has_bars_of_stale_symbols() -%}
{%- do query_choice(code, is_increment) -%}
{%- if is_increment -%}
    {%- do plan.update({'increment': true}) -%}
    {{- series_steps(plan, outputs, *stale_series(plan, outputs, reach, bars, stale_bars, timeframes)) }}
{%- else -%}
    {{- series_shards(plan, outputs, bars, timeframes) }}
{%- endif -%}
{%- endmacro %}

{% macro of_given_bars(plan, outputs, bars) -%}
{#-
    The query that a unit test compares: a family over the bars that it gives, in order. Prices and
    volumes that it leaves out are null. Values have nine decimals, because they are worked out by
    hand, and a zero has no sign.
-#}
{%- set given -%}
(
    select
        {% for name in ['open', 'high', 'low', 'close', 'volume'] -%}
        null::double as adjusted_{{ name }},
        {% endfor -%}
        null::bigint as session_bar_number
    where false
    union all by name
    select * from {{ bars }}
) order by symbol, timeframe, bar_ts
{%- endset -%}
select
    symbol,
    timeframe,
    bar_ts
    {%- for name, output in outputs.items() %},
    {{ 'round(' ~ name ~ ', 9) + 0 as ' ~ name if output.type == 'double' else name }}
    {%- endfor %}
from (
{{ series_steps(plan, outputs, given) }}
)
{%- endmacro %}

{% macro stored_timeframes(stored) -%}
{#- For this family; none, which means all of them, if the seed is not built yet. -#}
{%- if not load_relation(stored) -%}
    {{ return(none) }}
{%- endif -%}
{%- set found = run_query(
    "select timeframe from " ~ stored ~ " where family = '" ~ this.identifier ~ "' order by timeframe"
) -%}
{{ return(found.columns[0].values() | list) }}
{%- endmacro %}
