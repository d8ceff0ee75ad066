{#- Rounded, so that a whole position is whole and the tail does not miss a loss. -#}
{% macro loss_position(count, confidence) -%}
round(({{ count }} - 1) * {{ confidence }}, 9)
{%- endmacro %}

{% macro tail_count(count, confidence) -%}
({{ count }} - floor({{ loss_position(count, confidence) }}))::bigint
{%- endmacro %}

{% macro tail_var(worst, count, confidence) -%}
{%- set position = loss_position(count, confidence) -%}
{%- set lower = worst ~ '[(' ~ count ~ ' - floor(' ~ position ~ '))::bigint]' -%}
{%- set upper = worst ~ '[(' ~ count ~ ' - ceil(' ~ position ~ '))::bigint]' -%}
{{ lower }} + ({{ position }} - floor({{ position }})) * ({{ upper }} - {{ lower }})
{%- endmacro %}

{% macro tail_es(worst, count, confidence) -%}
list_avg({{ worst }}[:({{ count }} - ceil({{ loss_position(count, confidence) }}))::bigint])
{%- endmacro %}
