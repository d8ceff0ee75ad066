{% macro chi_square_probability(x, freedom) -%}
{%- if freedom == 1 -%}
2 * {{ normal_probability('(-sqrt(' ~ x ~ '))') }}
{%- else -%}
exp(-{{ x }} / 2)
{%- endif -%}
{%- endmacro %}
