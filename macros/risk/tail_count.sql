{% macro tail_count(count, confidence) -%}
({{ count }} - floor({{ loss_position(count, confidence) }}))::bigint
{%- endmacro %}
