-- A model is in no room, or its name or its group names another room than its folder does: who
-- reads its name does not find its file, or its relation, or who answers for it.
{%- set lost = [] %}
{%- for model in project_nodes('model') %}
    {%- set room = model.fqn[1] %}
    {%- set prefix = 'stg_' if room == 'staging' else room ~ '__' %}
    {%- if room not in rooms()
        or not model.name.startswith(prefix)
        or '__' not in model.name
        or model.config.group != room
        or model.schema != room %}
        {%- do lost.append(model.original_file_path) %}
    {%- endif %}
{%- endfor %}

select unnest({{ lost }}::varchar[]) as model_file
