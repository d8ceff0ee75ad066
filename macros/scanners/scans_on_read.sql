{% macro scans_on_read() -%}
{%- if execute and target.type == 'duckdb' -%}
    {%- for scanner in scanners() %}
{{ scan_on_read(scanner) }}
    {%- endfor %}
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
