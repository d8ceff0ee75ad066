{% macro drawn(list, key, draw_number) -%}
{#- Hashed twice: of a hash of two values, draws share the low bits, which a list of 16 is drawn by. -#}
{{ list }}[1 + (hash(hash({{ key }}, {{ draw_number }})) % len({{ list }}))::integer]
{%- endmacro %}
