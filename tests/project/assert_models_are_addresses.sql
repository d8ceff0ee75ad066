-- A model is in no layer, or its name, schema or group is of another layer than its folder: its
-- name does not lead to its file, its relation or its owner.
{%- set lost = [] %}
{%- for model in project_nodes('model') %}
    {%- set layer = model.fqn[1] %}
    {%- set prefix = 'stg_' if layer == 'staging' else layer ~ '__' %}
    {%- if layer not in layers()
        or not model.name.startswith(prefix)
        or '__' not in model.name
        or model.config.group != layer
        or model.schema != layer %}
        {%- do lost.append(model.original_file_path) %}
    {%- endif %}
{%- endfor %}

select unnest({{ lost }}::varchar[]) as model_file
