{% macro series_steps(plan, outputs, bars, carry={}) -%}
{#-
    A plan as one select a step; a column lives until it is last read. `outputs`: column -> planned
    column and type. `bars`: what series_0 selects from, filtered and in order. `carry`: of an
    increment, the running total or state -> the column of `bars` that has what it had come to.
-#}
{%- set wanted = [] -%}
{%- for output in outputs.values() -%}
    {%- set column = plan.columns[output.column] -%}
    {%- do wanted.append(column.exact if column.exact is defined and output.type.startswith('decimal') else output.column) -%}
{%- endfor -%}
{%- set used = series_used(plan, wanted) -%}
{%- set recursion_step = series_recursion_step() -%}
{%- set at = namespace(steps=[], has_states=false) -%}
{%- set read_until = {'bar_number': 10000} -%}
{%- for name in used -%}
    {%- set step = plan.columns[name].step -%}
    {%- do at.steps.append(step) -%}
    {%- set at.has_states = at.has_states or step == recursion_step -%}
    {%- for read in plan.columns[name].reads -%}
        {%- do read_until.update({read: [read_until.get(read, 0), step] | max}) -%}
    {%- endfor -%}
{%- endfor -%}
{%- for name in wanted -%}{%- do read_until.update({name: 10000}) -%}{%- endfor -%}
{%- set kept = ['symbol', 'timeframe', 'bar_ts'] -%}
{%- if plan.increment -%}{%- do kept.extend(['first_loaded_bar', 'first_stale_bar'] + carry.values() | list) -%}{%- endif -%}
with{{ ' recursive' if at.has_states }}

series_0 as not materialized (
    select
        {{ kept | join(',\n        ') }},
        bar_number
        {%- for name in ['session_bar_number', 'open', 'high', 'low', 'close', 'volume'] if name in used %},
        {{ name if name == 'session_bar_number' else 'adjusted_' ~ name ~ ' as ' ~ name }}
        {%- endfor %}
    from {{ bars }}
),
{% set before = namespace(step=0) %}
{%- for step in at.steps | unique | sort if step > 0 %}
{%- set live = kept + ['bar_number'] -%}
{%- set states = [] -%}
{%- set selected = [] -%}
{%- for name in used if plan.columns[name].step <= step and read_until.get(name, 0) > step and name != 'bar_number' -%}
    {%- do (states if plan.columns[name].machine is defined else live).append(name) -%}
    {%- do selected.append(
        series_carried(plan, name, carry) ~ ' as ' ~ name
        if plan.columns[name].step == step and step != recursion_step else name
    ) -%}
{%- endfor -%}
{%- if step == recursion_step %}
series_{{ step - 1 }} as materialized (
    select
        *,
        row_number() over ({{ '' if plan.lowering == 'streaming' else 'order by symbol, timeframe, bar_number' }}) as series_row
    from series_{{ before.step }}
),

{{ series_recursion(plan, used | select('in', plan.states) | list, live, 'series_' ~ (step - 1), carry) }}
{% set before.step = step - 1 %}
{%- endif %}
series_{{ step }} as not materialized (
    select
        {{ (kept + ['bar_number'] + (['series_row'] if step >= recursion_step else [])) | join(', ') }}
        {%- for column in selected %},
        {{ column }}
        {%- endfor %}
    from {{ 'series_states' if step == recursion_step else 'series_' ~ before.step }}
),
{% set before.step = step %}
{%- endfor %}
final as (
    select
        symbol,
        timeframe,
        bar_ts
        {%- for name, output in outputs.items() %},
        {%- set column = wanted[loop.index0] %}
        (case when bar_number >= {{ plan.columns[output.column].start }} then {{ column if column == output.column else series_exact(column) }} end)::{{ output.type }} as {{ name }}
        {%- endfor %}
    from series_{{ before.step }}
    {%- if plan.increment %}
    where bar_number >= first_stale_bar
    {%- endif %}
    {%- if at.has_states %}
    order by series_row
    {%- endif %}
)

select * from final
{%- endmacro %}
