-- A model that is `access: private` is read from another room. dbt only asks for the same group,
-- and a reader can be given any group: then a room cannot change its own steps any more.
{%- set edges = [] %}
{%- set models = project_nodes('model') %}
{%- for parent in models if parent.access == 'private' %}
    {%- for reader in models
        if parent.unique_id in reader.depends_on.nodes and reader.fqn[1] != parent.fqn[1] %}
        {%- do edges.append({'reader': reader.name, 'parent': parent.name}) %}
    {%- endfor %}
{%- endfor %}

select unnest({{ edges }}::struct(reader varchar, parent varchar)[], recursive := true)
