{#- Rounded, so that it is whole where it should be, and the tail loses no loss. -#}
{% macro loss_position(count, confidence) -%}
round(({{ count }} - 1) * {{ confidence }}, 9)
{%- endmacro %}
