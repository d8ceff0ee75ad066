{% macro planned_outputs(plan, calls) -%}
{#- Plans `macd(12, 26, 9)`, whose outputs are macd_12_26_9, macd_signal_12_26_9, … -#}
{%- set outputs = {} -%}
{%- for call in calls -%}
    {%- set name = call.split('(')[0] -%}
    {%- set arguments = call.split('(')[1].strip(') ').split(',') | map('trim') | select | list if '(' in call else [] -%}
    {%- set page = page_of(name) -%}
    {%- set columns = series_indicator(plan, name, arguments) -%}
    {%- set periods = page.periods.values() | list -%}
    {%- set periods = (arguments + periods[arguments | length:])[:periods | length] -%}
    {%- for output, column in columns.items() -%}
        {%- do outputs.update({
            ([output] + periods) | join('_'): {
                'column': column, 'type': page.type, 'call': call,
                'formula': page.outputs[output], 'within': page.within,
            }
        }) -%}
    {%- endfor -%}
{%- endfor -%}
{{ return(outputs) }}
{%- endmacro %}
