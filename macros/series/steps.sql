{% macro series_steps(plan, outputs, bars, carry={}) -%}
{#-
    A plan as SQL: one select a step, in which a column lives until it is last read. `outputs`: column ->
    planned column and type. `bars`: what series_0 selects from, filtered and in order. `carry`: of an
    increment, the running total or state -> the column of `bars` that has what it had come to.
-#}
{%- set wanted = series_wanted(plan, outputs) -%}
{%- set used = series_used(plan, wanted) -%}
{%- set read_until = series_read_until(plan, used, wanted) -%}
{%- set recursion_step = series_recursion_step() -%}
{%- set steps = [] -%}
{%- for name in used -%}{%- do steps.append(plan.columns[name].step) -%}{%- endfor -%}
{%- set key = ['symbol', 'timeframe', 'bar_ts'] -%}
{%- if plan.increment -%}{%- do key.extend(['first_loaded_bar', 'first_stale_bar'] + carry.values() | list) -%}{%- endif -%}
with{{ ' recursive' if recursion_step in steps }}

series_0 as not materialized (
    select
        {{ key | join(',\n        ') }},
        bar_number
        {%- for name in series_bar_columns()[1:] if name in used %},
        {{ name if name == 'session_bar_number' else 'adjusted_' ~ name ~ ' as ' ~ name }}
        {%- endfor %}
    from {{ bars }}
),
{% set before = namespace(step=0) %}
{%- for step in steps | unique | sort if step > 0 %}
{%- set live = key + ['bar_number'] -%}
{%- set selected = [] -%}
{%- for name in used if plan.columns[name].step <= step and read_until[name] > step and name != 'bar_number' -%}
    {%- if plan.columns[name].recursion is not defined -%}{%- do live.append(name) -%}{%- endif -%}
    {%- do selected.append(
        series_column_sql(plan, name, carry) ~ ' as ' ~ name
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
{% endif %}
series_{{ step }} as not materialized (
    select
        {{ (key + ['bar_number'] + (['series_row'] if step >= recursion_step else [])) | join(', ') }}
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
        (case when bar_number >= {{ plan.columns[output.column].start }} then {{ column if column == output.column else series_total_as_decimal(column) }} end)::{{ output.type }} as {{ name }}
        {%- endfor %}
    from series_{{ before.step }}
    {%- if plan.increment %}
    where bar_number >= first_stale_bar
    {%- endif %}
    {%- if recursion_step in steps %}
    order by series_row
    {%- endif %}
)

select * from final
{%- endmacro %}

{% macro series_wanted(plan, outputs) -%}
{#- The column of each output; of a running total that is stored as a decimal the exact one. -#}
{%- set wanted = [] -%}
{%- for output in outputs.values() -%}
    {%- set column = plan.columns[output.column] -%}
    {%- do wanted.append(column.exact if column.exact is defined and output.type.startswith('decimal') else output.column) -%}
{%- endfor -%}
{{ return(wanted) }}
{%- endmacro %}

{% macro series_read_until(plan, used, wanted) -%}
{#- Column -> the last step that reads it; the outputs are read after all of them. -#}
{%- set read_until = {} -%}
{%- for name in used -%}
    {%- do read_until.setdefault(name, 0) -%}
    {%- for read in plan.columns[name].reads -%}
        {%- do read_until.update({read: [read_until.get(read, 0), plan.columns[name].step] | max}) -%}
    {%- endfor -%}
{%- endfor -%}
{%- for name in wanted -%}{%- do read_until.update({name: 10000}) -%}{%- endfor -%}
{{ return(read_until) }}
{%- endmacro %}

{% macro series_column_sql(plan, name, carry) -%}
{#- What computes a column, in which a running total of an increment begins with what is stored. -#}
{%- if not plan.increment -%}{{ return(plan.columns[name].sql) }}{%- endif -%}
{%- set at = namespace(sql=plan.columns[name].increment_sql) -%}
{%- for total, column in carry.items() -%}
    {%- set at.sql = at.sql | replace('stored(' ~ total ~ ')', series_total_of_decimal(column)) -%}
{%- endfor -%}
{{ return(at.sql) }}
{%- endmacro %}
