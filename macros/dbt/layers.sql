{% macro layers() -%}
{{ return([
    'staging', 'bars', 'indicators', 'scanners', 'backtests', 'portfolio', 'risk', 'serving'
]) }}
{%- endmacro %}
