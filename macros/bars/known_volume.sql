{% macro known_volume() -%}
{#- Numbers that mean missing: as feeds and databases write them, and the largest number of a type
    (a double; 32 bits signed, in hundreds or unsigned), where greater volumes were cut off too. -#}
{%- set none_signs = [
    -1, -99, -999, -9999, 2147483600, 2147483647, 4294967295, '1.7976931348623157e308',
] -%}
case when not isnan(volume) and volume not in ({{ none_signs | join(', ') }}) then volume end
{%- endmacro %}
