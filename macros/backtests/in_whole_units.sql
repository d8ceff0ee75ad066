{% macro in_whole_units(amount, unit) -%}
{#- Half a rupee, as a floating-point number, may be a little less: it is told by eight decimals. -#}
if(
    {{ unit }} is null,
    ({{ amount }})::decimal(18, 4),
    (round(({{ amount }})::decimal(18, 8)::double / {{ unit }}) * {{ unit }})::decimal(18, 4)
)
{%- endmacro %}
