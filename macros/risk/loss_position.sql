{#- Rounded, so that a whole position is whole and the tail does not miss a loss. -#}
{% macro loss_position(count, confidence) -%}
round(({{ count }} - 1) * {{ confidence }}, 9)
{%- endmacro %}
