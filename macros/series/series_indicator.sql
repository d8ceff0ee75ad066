{% macro series_indicator(plan, name, arguments, scope={}) -%}
{%- set page = page_of(name) -%}
{%- set parameters = page.periods.keys() | list + page.settings.keys() | list -%}
{%- set own = {} -%}
{%- do own.update(page.periods) -%}
{%- do own.update(page.settings) -%}
{%- if arguments | length > parameters | length -%}
    {{ exceptions.raise_compiler_error(name ~ ' takes ' ~ parameters | join(', ') ~ '; given ' ~ arguments | join(', ')) }}
{%- endif -%}
{%- for argument in arguments -%}
    {%- do own.update({parameters[loop.index0]: series_number(argument | string, scope)}) -%}
{%- endfor -%}
{%- for step, formula in page.define.items() -%}
    {%- do own.update({step: series_column(plan, formula, own, step)}) -%}
{%- endfor -%}
{%- if page.step -%}{%- do series_states(plan, ([name] + arguments) | join('_'), page, own) -%}{%- endif -%}
{%- set outputs = {} -%}
{%- for output, formula in page.outputs.items() -%}
    {%- do outputs.update({output: series_column(plan, formula, own, output)}) -%}
{%- endfor -%}
{{ return(outputs) }}
{%- endmacro %}
