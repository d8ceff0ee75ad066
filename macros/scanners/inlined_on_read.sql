{% macro inlined_on_read() -%}
{#- Models that hold the configured cutoffs only: a scan at any other puts their SQL in their place. -#}
{{ return([
    'scanners__cutoffs',
    'scanners__traded_to_cutoff',
    'scanners__session_to_cutoff',
    'scanners__expected_volumes',
    'scanners__last_five_minutes',
]) }}
{%- endmacro %}
