{% macro page_of(name) -%}
{%- if 'indicator_' ~ name not in context -%}
    {{ exceptions.raise_compiler_error(
        "there is no indicator '" ~ name ~ "'; each has a file in macros/indicators"
    ) }}
{%- endif -%}
{%- set page = {'periods': {}, 'settings': {}, 'define': {}, 'seed': {}, 'step': {}, 'notes': '', 'talib': '', 'type': 'double', 'within': none} -%}
{%- do page.update(fromyaml(context['indicator_' ~ name]())) -%}
{#- talib is the function of all outputs, or a list in the order of the outputs. -#}
{%- set talib = {} -%}
{%- for output in page.outputs -%}
    {%- do talib.update({output: page.talib if page.talib is string else page.talib[loop.index0] or ''}) -%}
{%- endfor -%}
{%- do page.update({'talib': talib}) -%}
{{ return(page) }}
{%- endmacro %}
