{% test has_a_row_for_each(model, column_list, of, among='true') %}

{%- set file = namespace(path=model.identifier) %}
{%- for seed in project_nodes('seed') if seed.alias == model.identifier %}
    {%- set file.path = seed.original_file_path %}
{%- endfor %}
{%- set condition = '' if among == 'true' else ' and ' ~ among | replace("'", "''") %}
{%- set columns = column_list | join(', ') %}

with

wanted as (
    select distinct {{ columns }} from {{ of }}
),

present as (
    select distinct {{ columns }}
    from {{ model }}
    where {{ among }}
)

select
    {{ dbt.string_literal(file.path) }} || ': there is no row with '
    || concat_ws(', ', {%- for column in column_list %}
        '{{ column }} ' || wanted.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %})
    || {{ dbt.string_literal(condition) }} || ': add it' as problem
from wanted
anti join present using ({{ columns }})
order by {{ columns }}

{% endtest %}
