{% macro all_presets(columns, skip_missing=false) -%}
{%- set parts = [] -%}
{%- for scanner in scanners() -%}
    {%- set presets = ref(scanner.presets_package, scanner.presets) -%}
    {%- set found = columns -%}
    {%- if skip_missing and execute -%}
        {%- set found = adapter.get_columns_in_relation(presets) | map(attribute='name') | list -%}
    {%- endif -%}
    {%- if columns | reject('in', found) | list | length == 0 -%}
        {%- do parts.append(
            "select '" ~ scanner.scanner ~ "' as scanner, " ~ columns | join(', ') ~ ' from ' ~ presets
        ) -%}
    {%- endif -%}
{%- endfor -%}
{%- if parts -%}
{{ parts | join('\n    union all\n    ') }}
{%- else -%}
select
    null::varchar as scanner
    {%- for column in columns %},
    null as {{ column }}
    {%- endfor %}
where false
{%- endif -%}
{%- endmacro %}
