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

{% macro all_presets(columns, of=none) -%}
{%- for scanner in of or scanners() %}
    select
        '{{ scanner }}' as scanner,
        {{ columns | join(',\n        ') }}
    from {{ ref(scanner ~ '_presets') }}
    {{- '\n    union all' if not loop.last }}
{%- endfor %}
{%- endmacro %}
