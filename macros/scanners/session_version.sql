{% macro session_version(days) -%}
if({{ days }}.version is not null, hash({{ days }}.version, '{{ code_checksum(['scanners__session_minutes']) }}'), null)
{%- endmacro %}
