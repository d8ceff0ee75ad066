{% macro tail_var(worst, count, confidence) -%}
{%- set position = loss_position(count, confidence) -%}
{%- set lower = worst ~ '[(' ~ count ~ ' - floor(' ~ position ~ '))::bigint]' -%}
{%- set upper = worst ~ '[(' ~ count ~ ' - ceil(' ~ position ~ '))::bigint]' -%}
{{ lower }} + ({{ position }} - floor({{ position }})) * ({{ upper }} - {{ lower }})
{%- endmacro %}
