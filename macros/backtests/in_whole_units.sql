{% macro in_whole_units(amount, unit) -%}
{#- Half a rupee may be slightly less in floating point: amounts are rounded to 8 decimals. -#}
if(
    {{ unit }} is null,
    ({{ amount }})::decimal(18, 4),
    (round(({{ amount }})::decimal(18, 8)::double / {{ unit }}) * {{ unit }})::decimal(18, 4)
)
{%- endmacro %}
