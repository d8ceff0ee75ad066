{% macro live_scanners() -%}
{{ return([
    'breakout',
    'crp',
    'gap',
    'momentum',
    'new_high',
    'opening_range',
    'relative_volume',
    'technical',
]) }}
{%- endmacro %}
