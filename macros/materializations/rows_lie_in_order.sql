{% macro rows_lie_in_order(relation) -%}
{%- set states = build_states([relation.schema ~ '__' ~ relation.identifier]) -%}
{{ return(states | length == 1 and states[0].is_in_order == true) }}
{%- endmacro %}
