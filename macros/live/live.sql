{% macro live_models() -%}
{{ return([
    'bars__ticked_minutes',
    'bars__checked_minutes',
    'bars__ohlcv',
    'scanners__session_minutes',
    'scanners__sessions',
    'scanners__histories',
    'scanners__prior_sessions',
    'scanners__opening_ranges',
    'scanners__signals',
]) }}
{%- endmacro %}

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

{% macro live_sql(model) -%}
{#- The model's own SQL, on relations of the same names in any database. -#}
{%- set node = graph.nodes.values() | selectattr('name', 'equalto', model) | list | first -%}
{%- set code = modules.re.sub('\\bref\\(', 'live_relation(', code_without_config(node)) -%}
{{ return(render(code) | replace('"' ~ target.database ~ '".', '')) }}
{%- endmacro %}

{% macro live_relation(name) -%}
{#- Without the database, whose name changes when the file is published. -#}
{%- set node = graph.nodes.values() | selectattr('name', 'equalto', name) | list | first -%}
{{ node.schema }}.{{ node.alias }}
{%- endmacro %}

{% macro code_without_config(node) -%}
{{ return(modules.re.sub('(?s){{ config\\((?:[^{]|{{.*?}})*?\\) }}', '', node.raw_code)) }}
{%- endmacro %}
