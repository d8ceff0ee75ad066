{% macro explained(call) -%}
{#- What becomes of `macd(12, 26, 9)`, as JSON: `./bourse explain` prints it. -#}
{%- set plan = series_plan('streaming') -%}
{%- set planned = planned_outputs(plan, [call]) -%}
{%- set outputs = [] -%}
{%- for name, output in planned.items() -%}
    {%- set column = plan.columns[output.column] -%}
    {%- do outputs.append({
        'name': name, 'formula': output.formula, 'column': output.column, 'warm_up': column.start,
        'memory': none if series_is_cumulative(plan, output.column) else column.memory,
    }) -%}
{%- endfor -%}
{%- set columns = [] -%}
{%- for name in series_used(plan, series_wanted(plan, planned)) -%}
    {%- set column = plan.columns[name] -%}
    {%- do columns.append({
        'name': name, 'step': column.step, 'start': column.start, 'memory': column.memory, 'reads': column.reads,
    }) -%}
{%- endfor -%}
{{ return(tojson({
    'definition': definition_of(call.split('(')[0]),
    'outputs': outputs,
    'columns': columns,
    'sql': series_steps(plan, planned, 'bars.ohlcv order by symbol, timeframe, bar_ts'),
})) }}
{%- endmacro %}
