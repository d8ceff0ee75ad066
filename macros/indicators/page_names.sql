{% macro page_names() -%}
{%- set names = [] -%}
{%- for name in context.keys() if name.startswith('indicator_') -%}{%- do names.append(name[10:]) -%}{%- endfor -%}
{{ return(names | sort) }}
{%- endmacro %}
