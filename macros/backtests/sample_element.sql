{% macro sample_element(list, key, draw_number) -%}
{#-
    Hashed twice: hashes of two values share the low bits, which decide in a list of 16. The length
    is a UBIGINT like the hash, since DuckDB divides two types as HUGEINT, at ten times the cost.
-#}
{{ list }}[1 + (hash(hash({{ key }}, {{ draw_number }})) % len({{ list }})::ubigint)::integer]
{%- endmacro %}
