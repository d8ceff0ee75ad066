{#- Hashed twice, because hashes of several values share low bits; a double has 53 bits. -#}
{% macro uniform_draw(key) -%}
(((hash(hash({{ var('monte_carlo_seed') }}, {{ key }})) >> 11)::double + 0.5e0) / pow(2, 53))
{%- endmacro %}
