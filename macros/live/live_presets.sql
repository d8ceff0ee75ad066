{% macro live_presets() -%}
{%- set parts = [] -%}
{%- for scanner in scanners() if execute and is_live(scanner) -%}
    {%- do parts.append(
        "select '" ~ scanner.scanner ~ "' as scanner, preset, cutoff_time::time as cutoff_time from "
        ~ relation_on_read(scanner.presets)
    ) -%}
{%- endfor -%}
{{ parts | join('\nunion all\n') }}
{%- endmacro %}
