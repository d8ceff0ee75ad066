{% macro is_guest(node) -%}
{{ return(
    not node.patch_path
    and ('/scans/' in node.original_file_path or node.name.endswith('_presets'))
) }}
{%- endmacro %}
