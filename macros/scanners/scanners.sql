{% macro scanners() -%}
{#- Each has a model, scanners__<scanner>, and the seed of its presets, <scanner>_presets. -#}
{{ return([
    'breakout',
    'crp',
    'gap',
    'momentum',
    'new_high',
    'opening_range',
    'pattern',
    'relative_volume',
    'sideways',
    'technical',
]) }}
{%- endmacro %}
