{% macro as_of_is_an_instant() -%}
{%- if execute and var('as_of', none) is not none -%}
    {%- set as_of = var('as_of') | string -%}
    {%- set instant = "try_cast('" ~ dbt.escape_single_quotes(as_of) ~ "' as timestamp)" -%}
    {%- set question = 'select coalesce(isfinite(' ~ instant ~ '), false)' -%}
    {%- if not run_query(question).columns[0].values()[0] -%}
        {{ exceptions.raise_compiler_error(
            'as_of is `' ~ as_of ~ '`, which is no instant; write it in UTC, such as '
            ~ "--vars \"{as_of: '2024-01-31 18:30:00'}\", or leave it out to read everything."
        ) }}
    {%- endif -%}
{%- endif -%}
{%- endmacro %}
