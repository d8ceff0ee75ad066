{% macro monte_carlo_decks() -%}
20
{%- endmacro %}
