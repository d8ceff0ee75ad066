{#- Of a hash of several values, draws share low bits, so it is hashed twice; 53 bits are a double. -#}
{% macro uniform_draw(key) -%}
(((hash(hash({{ var('monte_carlo_seed') }}, {{ key }})) >> 11)::double + 0.5e0) / pow(2, 53))
{%- endmacro %}
