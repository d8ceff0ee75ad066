{% macro series_plan(lowering=none, of_one_series=false) -%}
{#-
    lowering       streaming or windows
    of_one_series  periods are parameters of a table macro, which reads one series
    columns        name -> what computes it, the columns it reads, the step it is computed in (0 is
                   the bar's own), the first bar it is known at, how many bars before its own it looks
                   at, and whether it also looks at all bars of its session before its own
    texts          SQL already planned and the bar it is known from -> its column: a shared sub-expression is
                   computed once
    states         columns that depend on their own last value
    machines       page -> the steps that its states take, name -> SQL
    carried        running total -> the column it adds up, a state -> itself: what an increment's stored
                   value is found by
    increment      only the last bars of each series are loaded
-#}
{%- set columns = {} -%}
{%- for name in [
    'bar_number', 'session_bar_number', 'open', 'high', 'low', 'close', 'volume'
] -%}
    {%- do columns.update({name: {'sql': name, 'reads': [], 'step': 0, 'start': 0, 'memory': 0, 'in_session': false}}) -%}
{%- endfor -%}
{{ return({
    'lowering': lowering or series_lowering(),
    'of_one_series': of_one_series,
    'columns': columns,
    'texts': {},
    'machines': {},
    'states': [],
    'carried': {},
    'increment': false,
}) }}
{%- endmacro %}
