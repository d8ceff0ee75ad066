{#-
    dbt calls these macros to build a file of `functions/`. DuckDB has no `returns`: its functions
    are macros. Parameters are untyped, because a typed one accepts no string literal and needs a
    newer storage format than the one that we publish in; the body casts. The name omits the
    database, so that the file can be renamed.
-#}
{% macro duckdb__scalar_function_sql(target_relation) -%}
create or replace macro {{ duckdb_function_signature(target_relation) }}
as (cast(({{ model.compiled_code }}) as {{ model.returns.data_type }}))
{%- endmacro %}

{% macro duckdb__aggregate_function_sql(target_relation) -%}
create or replace macro {{ duckdb_function_signature(target_relation) }}
as ({{ model.compiled_code }})
{%- endmacro %}

{% macro duckdb__table_function_sql(target_relation) -%}
create or replace macro {{ duckdb_function_signature(target_relation) }}
as table (
{{ model.compiled_code }}
);
{%- set parameters = [] -%}
{%- for argument in model.arguments -%}
    {%- set default = argument.get('default_value') -%}
    {%- do parameters.append(
        '- `' ~ argument.name ~ '`' ~ (', by default ' ~ default if default is not none)
        ~ ': ' ~ argument.description | trim
    ) -%}
{%- endfor %}
comment on macro table {{ target_relation.include(database=false) }}
is {{ duckdb_escape_comment([model.description | trim, parameters | join('\n')] | join('\n\n')) }}
{%- endmacro %}

{% macro duckdb_function_signature(target_relation) -%}
{%- set parameters = [] -%}
{%- for argument in model.arguments -%}
    {%- set default = argument.get('default_value') -%}
    {%- do parameters.append(
        argument.name if default is none else argument.name ~ ' := ' ~ default
    ) -%}
{%- endfor -%}
{{ target_relation.include(database=false) }}({{ parameters | join(', ') }})
{%- endmacro %}
