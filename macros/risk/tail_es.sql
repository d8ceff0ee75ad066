{% macro tail_es(worst, count, confidence) -%}
list_avg({{ worst }}[:({{ count }} - ceil({{ loss_position(count, confidence) }}))::bigint])
{%- endmacro %}
