-- A model, a seed or a function has no description, so nobody knows what one row of it is.
{%- set undescribed = [] %}
{%- for resource_type in ['model', 'seed', 'function'] %}
    {%- for relation in project_nodes(resource_type) if not relation.description %}
        {%- do undescribed.append(relation.name) %}
    {%- endfor %}
{%- endfor %}

select unnest({{ undescribed }}::varchar[]) as relation
