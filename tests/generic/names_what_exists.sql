{% test names_what_exists(
    model, column_name, noun, to, field=none, of='true', among='true', remedy=none
) %}

{%- set file = namespace(path=model.identifier) %}
{%- for seed in project_nodes('seed') if seed.alias == model.identifier %}
    {%- set file.path = seed.original_file_path %}
{%- endfor %}

with

-- a seed is loaded line by line, after the header
lines as (
    select
        {{ column_name }} as name,
        rowid + 2 as line_number
    from {{ model }}
    where {{ column_name }} is not null and ({{ of }})
),

known as (
    select distinct {{ field or column_name }} as name
    from {{ to }}
    where {{ among }}
),

unknown as (
    select
        lines.name,
        min(lines.line_number) as line_number,
        count(*) as line_count
    from lines
    anti join known using (name)
    group by lines.name
),

nearest as (
    select
        unknown.name,
        {{ nearest_name('unknown.name', 'known.name') | indent(8) }} as nearest_name
    from unknown
    cross join known
    group by unknown.name
)

select
    format(
        '{}:{}: there is no {} ''{}''{}{}',
        {{ dbt.string_literal(file.path) }},
        unknown.line_number,
        {{ dbt.string_literal(noun) }},
        unknown.name,
        if(unknown.line_count > 1, format(' (on {} lines)', unknown.line_count), ''),
        coalesce(
            '; did you mean ''' || nearest.nearest_name || '''?',
            {{ dbt.string_literal(': ' ~ remedy if remedy else '') }}
        )
    ) as problem
from unknown
left join nearest using (name)
order by unknown.line_number

{% endtest %}
