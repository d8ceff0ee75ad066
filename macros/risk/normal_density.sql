{% macro normal_density(z) -%}
(exp(-0.5 * {{ z }} * {{ z }}) / sqrt(2 * pi()))
{%- endmacro %}
