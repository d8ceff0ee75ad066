{% macro total_charges(charges) -%}
(
{%- for component in charge_components() -%}
{{ charges }}['{{ component }}']{{ ' + ' if not loop.last }}
{%- endfor -%}
)
{%- endmacro %}
