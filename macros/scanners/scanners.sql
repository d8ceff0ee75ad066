{% macro scanners() -%}
{#- Each has a model, scanners__<scanner>, and the seed of its presets, <scanner>_presets. -#}
{{ return({
    'breakout': {'lengths': ['lookback_sessions'], 'is_live': true},
    'crp': {'lengths': [], 'is_live': true},
    'gap': {'lengths': [], 'is_live': true},
    'momentum': {'lengths': [], 'is_live': true},
    'new_high': {'lengths': ['lookback_sessions', 'volume_lookback_sessions'], 'is_live': true},
    'opening_range': {'lengths': ['range_minutes'], 'is_live': true},
    'pattern': {'lengths': [], 'is_live': false},
    'relative_volume': {'lengths': ['lookback_sessions'], 'is_live': true},
    'sideways': {'lengths': [], 'is_live': false, 'is_filter': true},
    'technical': {'lengths': [], 'is_live': true},
}) }}
{%- endmacro %}

{% macro scanners_with(length) -%}
{%- set found = [] -%}
{%- for scanner, traits in scanners().items() if length in traits['lengths'] -%}
    {%- do found.append(scanner) -%}
{%- endfor -%}
{{ return(found) }}
{%- endmacro %}

{% macro signal_scanners() -%}
{%- set found = [] -%}
{%- for scanner, traits in scanners().items() if not traits.get('is_filter') -%}
    {%- do found.append(scanner) -%}
{%- endfor -%}
{{ return(found) }}
{%- endmacro %}

{% macro live_scanners() -%}
{%- set found = [] -%}
{%- for scanner, traits in scanners().items() if traits['is_live'] -%}
    {%- do found.append(scanner) -%}
{%- endfor -%}
{{ return(found) }}
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
