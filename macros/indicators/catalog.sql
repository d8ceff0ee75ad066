{% macro catalog_rows() -%}
{%- if not execute -%}{{ return('values (1)') }}{%- endif -%}
{%- set rows = [] -%}
{%- for name in indicator_definitions() -%}
    {%- set definition = definition_of(name) -%}
    {%- set plan = series_plan('streaming') -%}
    {%- set outputs = series_indicator(plan, name, []) -%}
    {%- set settings = [] -%}
    {%- for setting, value in definition.settings.items() -%}
        {%- do settings.append(setting ~ ' = ' ~ value) -%}
    {%- endfor -%}
    {%- set formulas = [] -%}
    {%- for step, formula in definition.define.items() -%}
        {%- do formulas.append(step ~ ' = ' ~ formula) -%}
    {%- endfor -%}
    {%- for state, formula in definition.starting_values.items() -%}
        {%- do formulas.append(state ~ ' at first = ' ~ formula) -%}
    {%- endfor -%}
    {%- for step, formula in definition.step.items() -%}
        {%- do formulas.append(step ~ ' = ' ~ formula) -%}
    {%- endfor -%}
    {%- for output, column in outputs.items() -%}
        {%- set found = plan.columns[column] -%}
        {%- set values = [
            name, output, definition.title, definition.source, definition.talib[output] or none,
            definition.periods.values() | join(', ') or none, settings | join(', ') or none,
        ] -%}
        {%- set cells = [] -%}
        {%- for value in values -%}
            {%- do cells.append(
                'null' if value is none else "'" ~ dbt.escape_single_quotes(value | string) ~ "'"
            ) -%}
        {%- endfor -%}
        {%- do cells.append(found.start) -%}
        {%- do cells.append('null' if series_is_cumulative(plan, column) else found.memory) -%}
        {%- do cells.append(
            "'" ~ dbt.escape_single_quotes(
                (formulas + [output ~ ' = ' ~ definition.outputs[output]]) | join('\n')
            ) ~ "'"
        ) -%}
        {%- do cells.append(
            "'" ~ dbt.escape_single_quotes(definition.notes) ~ "'" if definition.notes else 'null'
        ) -%}
        {%- do rows.append('(' ~ cells | join(', ') ~ ')') -%}
    {%- endfor -%}
{%- endfor -%}
values
    {{ rows | join(',\n    ') }}
{%- endmacro %}

{% macro family_properties(families) -%}
{#- The contents of the families' properties files, as JSON: `./bourse properties` writes them. -#}
{%- set properties = {} -%}
{%- for family, calls in families.items() -%}
    {%- set plan = series_plan('streaming') -%}
    {%- set file = 'models/indicators/indicators__' ~ family ~ '.sql' -%}
    {%- set outputs = planned_outputs(plan, calls, file) -%}
    {%- set columns = {} -%}
    {%- for name, output in outputs.items() -%}
        {%- set column = plan.columns[output.column] -%}
        {%- do columns.update({name: {
            'call': output.call,
            'formula': output.formula,
            'type': output.type,
            'within': output.within,
            'warm_up': column.start,
            'memory': none if series_is_cumulative(plan, output.column) else column.memory,
        }}) -%}
    {%- endfor -%}
    {%- set indicators = {} -%}
    {%- for call in calls -%}
        {%- do indicators.update({call: definition_of(call.split('(')[0])}) -%}
    {%- endfor -%}
    {%- do properties.update({family: {'indicators': indicators, 'columns': columns}}) -%}
{%- endfor -%}
{{ return(tojson(properties)) }}
{%- endmacro %}
