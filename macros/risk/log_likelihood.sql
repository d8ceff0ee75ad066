{% macro log_likelihood(count, hits, probability) -%}
(if({{ hits }} = 0, 0, {{ hits }} * ln({{ probability }}))
+ if({{ count }} = {{ hits }}, 0, ({{ count }} - {{ hits }}) * ln(1 - {{ probability }})))
{%- endmacro %}
