{% macro series_plan(lowering=none, of_one_series=false) -%}
{#-
    What the compiler has planned. Operations add columns to it, and `series_steps` renders it.

    lowering       streaming or windows
    operations     word -> its macro and what it takes
    definitions    indicator -> the macro that defines it
    of_one_series  periods are parameters of a table macro, which reads one series
    place, name    where the formula is that is planned, for errors, and what it defines
    columns        name -> what computes it (`sql`; `increment_sql` where an increment differs), the columns
                   it reads, the step it is computed in (0 is the bar's own), the first bar it is known at,
                   how many bars before its own it looks at (`memory`), and whether it also looks at all
                   bars of its session before its own
    texts          SQL already planned and the bar it is known from -> its column: a shared sub-expression is
                   computed once
    states         columns that depend on their own last value
    recursions     indicator -> the formulas of a bar that its states take, name -> SQL
    carried        running total -> the column it adds up, a state -> itself: what an increment's stored
                   value is found by
    increment      only the last bars of each series are loaded
-#}
{%- set columns = {} -%}
{%- for name in series_bar_columns() -%}
    {%- do columns.update({name: {'sql': name, 'reads': [], 'step': 0, 'start': 0, 'memory': 0, 'in_session': false}}) -%}
{%- endfor -%}
{{ return({
    'lowering': lowering or series_lowering(),
    'operations': series_operations(),
    'definitions': indicator_definitions(),
    'of_one_series': of_one_series,
    'place': 'a formula',
    'name': 'formula',
    'columns': columns,
    'texts': {},
    'states': [],
    'recursions': {},
    'carried': {},
    'increment': false,
}) }}
{%- endmacro %}

{% macro series_bar_columns() -%}
{#- What a formula may use of the bar itself. -#}
{{ return(['bar_number', 'session_bar_number', 'open', 'high', 'low', 'close', 'volume']) }}
{%- endmacro %}

{% macro series_lowering() -%}
{#- streaming on DuckDB, windows elsewhere or where the variable `series_lowering` says so. -#}
{{ return(var('series_lowering') or adapter.dispatch('series_lowering')()) }}
{%- endmacro %}

{% macro duckdb__series_lowering() -%}{{ return('streaming') }}{%- endmacro %}

{% macro default__series_lowering() -%}{{ return('windows') }}{%- endmacro %}

{% macro series_planned(plan, name, sql, start=none, memory=none, in_session=false, increment_sql='') -%}
{#- Plans a column: the one that has the same SQL and is known from the same bar, or a new one. -#}
{%- set reads = series_reads(plan, sql ~ increment_sql) -%}
{%- set start = series_latest(reads.starts) if start is none else start -%}
{%- set text = sql ~ ' from ' ~ start -%}
{%- if text in plan.texts -%}
    {{ return(plan.texts[text]) }}
{%- endif -%}
{%- set at = namespace(memory=reads.memory) -%}
{%- for column, bars in modules.re.findall('lag\\(([a-z_][a-z0-9_]*), ([0-9]+)', sql) -%}
    {%- if plan.columns[column].step >= series_recursion_step() -%}
        {{ series_error(plan, "'" ~ column ~ "' is a state or made of one: of those only before_… can be looked back at") }}
    {%- endif -%}
    {#- What is counted from a session's start may, some bars ago, go back to the start of an earlier one. -#}
    {%- set session = 1440 if plan.columns[column].in_session else 0 -%}
    {%- set at.memory = [at.memory, plan.columns[column].memory + session + bars | int] | max -%}
{%- endfor -%}
{%- set at.own = modules.re.sub('[^a-z0-9_]+', '_', name) -%}
{%- set name = at.own -%}
{%- for number in range(2, plan.columns | length + 2) if at.own in plan.columns -%}
    {%- set at.own = name ~ '__' ~ number -%}
{%- endfor -%}
{%- set own = at.own -%}
{%- do plan.texts.update({text: own}) -%}
{%- do plan.columns.update({own: {
    'sql': sql,
    'increment_sql': increment_sql or sql,
    'reads': reads.columns,
    'step': reads.step + 1,
    'start': start,
    'memory': at.memory if memory is none else memory,
    'in_session': in_session or reads.in_session,
}}) -%}
{{ return(own) }}
{%- endmacro %}

{% macro series_reads(plan, sql) -%}
{#- The columns that some SQL reads, and what follows from them. -#}
{%- set reads = {'columns': [], 'starts': [], 'step': 0, 'memory': 0, 'in_session': false} -%}
{%- for name in modules.re.findall('[a-z_][a-z0-9_]*', sql) | unique if name in plan.columns -%}
    {%- set column = plan.columns[name] -%}
    {%- do reads.columns.append(name) -%}
    {%- do reads.starts.append(column.start) -%}
    {%- do reads.update({
        'step': [reads.step, column.step] | max,
        'memory': [reads.memory, column.memory] | max,
        'in_session': reads.in_session or column.in_session,
    }) -%}
{%- endfor -%}
{{ return(reads) }}
{%- endmacro %}

{% macro series_used(plan, outputs) -%}
{#- The columns that the outputs are made of, in the order they were planned. -#}
{%- set used = outputs | list -%}
{%- for name in plan.columns.keys() | list | reverse if name in used -%}
    {%- for column in plan.columns[name].reads if column not in used -%}{%- do used.append(column) -%}{%- endfor -%}
{%- endfor -%}
{{ return(plan.columns.keys() | select('in', used) | list) }}
{%- endmacro %}

{% macro series_reach(plan, outputs) -%}
{#- How many bars the outputs look back, and the first bar at which all of them are known. -#}
{%- set reach = {'memory': 0, 'start': 0} -%}
{%- for output in outputs.values() -%}
    {%- set column = plan.columns[output.column] -%}
    {%- do reach.update({
        'memory': [reach.memory, column.memory] | max, 'start': [reach.start, column.start] | max,
    }) -%}
{%- endfor -%}
{{ return(reach) }}
{%- endmacro %}

{% macro series_is_cumulative(plan, column) -%}
{#- Whether a column is made of a running total or a state, and so depends on all bars since the first. -#}
{%- set used = series_used(plan, [column]) -%}
{{ return(used | select('in', plan.carried) | list | length > 0) }}
{%- endmacro %}

{% macro series_latest(starts) -%}
{#- The latest of some first bars, numbers or the SQL of parameters. -#}
{%- set numbers = starts | select('number') | list -%}
{%- set parameters = starts | reject('number') | unique | list -%}
{%- set known = [numbers | max] if numbers | default([0], true) | max > 0 else [] -%}
{%- set all = parameters + known -%}
{{ return((all or [0])[0] if all | length < 2 else 'greatest(' ~ all | join(', ') ~ ')') }}
{%- endmacro %}

{% macro series_plus(left, right) -%}
{#- Of whole numbers a number; of parameters of a table macro their SQL. -#}
{%- if left is number and right is number -%}
    {{ return(left + right) }}
{%- elif right == 0 or left == 0 -%}
    {{ return(left if right == 0 else right) }}
{%- elif right is number and right < 0 -%}
    {{ return('(' ~ left ~ ' - ' ~ -right ~ ')') }}
{%- endif -%}
{{ return('(' ~ left ~ ' + ' ~ right ~ ')') }}
{%- endmacro %}
