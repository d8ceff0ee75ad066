{% macro all_presets(columns, of=none) -%}
{%- for scanner in of or scanners() %}
    select
        '{{ scanner }}' as scanner,
        {{ columns | join(',\n        ') }}
    from {{ ref(scanner ~ '_presets') }}
    {{- '\n    union all' if not loop.last }}
{%- endfor %}
{%- endmacro %}
