{% macro inlined_on_read() -%}
{#- Models with only the configured cutoffs: a scan at any other cutoff inlines their SQL. -#}
{{ return([
    'scanners__cutoffs',
    'scanners__traded_to_cutoff',
    'scanners__session_to_cutoff',
    'scanners__expected_volumes',
    'scanners__last_five_minutes',
]) }}
{%- endmacro %}
