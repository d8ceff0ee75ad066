{% macro build_states(nodes) -%}
{%- if not execute or not load_relation(build_state()) -%}{{ return([]) }}{%- endif -%}
{%- set names = [''] -%}
{%- for node in nodes -%}{%- do names.append(node.split('.')[-1]) -%}{%- endfor -%}
{{ return(run_query(
    'select model, code, built_to, is_in_order from ' ~ build_state()
    ~ " where model in ('" ~ names | join("', '") ~ "') order by model"
).rows) }}
{%- endmacro %}
