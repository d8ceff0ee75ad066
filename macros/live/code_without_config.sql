{% macro code_without_config(node) -%}
{{ return(modules.re.sub('(?s){{ config\\((?:[^{]|{{.*?}})*?\\) }}', '', node.raw_code)) }}
{%- endmacro %}
