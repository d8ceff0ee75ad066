{% macro decayed_weights(decay, count) -%}
list_transform(
    range({{ count }}),
    lambda number: pow({{ decay }}, {{ count }} - 1 - number)
    * (1 - {{ decay }}) / (1 - pow({{ decay }}, {{ count }}))
)
{%- endmacro %}
