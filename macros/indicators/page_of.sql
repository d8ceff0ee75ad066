{% macro page_of(name) -%}
{%- if 'indicator_' ~ name not in context -%}
    {{ exceptions.raise_compiler_error("there is no indicator '" ~ name ~ "': macros/indicators has one file each") }}
{%- endif -%}
{%- set page = {'periods': {}, 'settings': {}, 'define': {}, 'seed': {}, 'step': {}, 'notes': '', 'talib': '', 'type': 'double', 'within': none} -%}
{%- do page.update(fromyaml(context['indicator_' ~ name]())) -%}
{{ return(page) }}
{%- endmacro %}
