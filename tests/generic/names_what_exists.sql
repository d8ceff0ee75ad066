{% test names_what_exists(
    model, column_name, noun, to, field=none, of='true', among='true', remedy=none
) %}

{#- A name that is less similar than this is not taken for a misspelling. -#}
{%- set min_similarity = 0.75 %}
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
        known.name as nearest_name,
        jaro_winkler_similarity(lower(unknown.name), lower(known.name)) as similarity
    from unknown
    cross join known
    qualify row_number() over (
        partition by unknown.name
        order by similarity desc, nearest_name
    ) = 1
)

select
    format(
        '{} line {}{}: {}: no such {}{}',
        {{ dbt.string_literal(file.path) }},
        unknown.line_number,
        if(unknown.line_count > 1, format(' and {} more', unknown.line_count - 1), ''),
        unknown.name,
        {{ dbt.string_literal(noun) }},
        if(
            nearest.similarity >= {{ min_similarity }},
            format('; {}?', nearest.nearest_name),
            {{ dbt.string_literal(': ' ~ remedy if remedy else '') }}
        )
    ) as problem
from unknown
left join nearest using (name)
order by unknown.line_number

{% endtest %}
