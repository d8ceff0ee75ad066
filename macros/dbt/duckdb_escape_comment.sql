{#- A line ends with a paragraph, the item of a list or a formula, not at the file's width. -#}
{% macro duckdb_escape_comment(comment) -%}
{%- set text = modules.re.sub('(?<!\\n)\\n(?!\\n|- | {4}\\S) *', ' ', comment | trim) -%}
{{ dbt.string_literal(dbt.escape_single_quotes(text)) }}
{%- endmacro %}
