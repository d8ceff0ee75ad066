{% macro page_of(name) -%}
{%- if 'indicator_' ~ name not in context -%}
    {{ exceptions.raise_compiler_error("there is no indicator '" ~ name ~ "': macros/indicators has one file each") }}
{%- endif -%}
{%- set page = {'periods': {}, 'settings': {}, 'define': {}, 'seed': {}, 'step': {}, 'notes': '', 'talib': '', 'type': 'double', 'within': none} -%}
{%- do page.update(fromyaml(context['indicator_' ~ name]())) -%}
{#- TA-Lib's name is that of all outputs, or there is a list in the order of the outputs. -#}
{%- set talib = {} -%}
{%- for output in page.outputs -%}
    {%- do talib.update({output: page.talib if page.talib is string else page.talib[loop.index0] or ''}) -%}
{%- endfor -%}
{%- do page.update({'talib': talib}) -%}
{{ return(page) }}
{%- endmacro %}
