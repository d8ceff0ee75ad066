{% macro live_presets() -%}
{%- set parts = [] -%}
{%- for scanner in scanners() if execute and is_live(scanner) -%}
    {%- do parts.append(
        "select '" ~ scanner ~ "' as scanner, preset, cutoff_time from "
        ~ relation_on_read(scanner ~ '_presets')
    ) -%}
{%- endfor -%}
{{ parts | join('\nunion all\n') }}
{%- endmacro %}
