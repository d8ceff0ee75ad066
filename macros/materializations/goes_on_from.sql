{% macro goes_on_from(code) -%}
{%- set existing = load_relation(this) -%}
{%- set states = build_states([model.name]) -%}
{{ return(
    existing is not none
    and existing.is_table
    and not should_full_refresh()
    and states | length == 1
    and states[0].code == code
) }}
{%- endmacro %}
