-- A model with `access: private` is read from another layer. dbt checks only for the same group,
-- and a reader can declare any group; the layer can then no longer change its own steps.
{%- set edges = [] %}
{%- set models = project_nodes('model') %}
{%- for parent in models if parent.access == 'private' %}
    {%- for reader in models
        if parent.unique_id in reader.depends_on.nodes and reader.fqn[1] != parent.fqn[1] %}
        {%- do edges.append({'reader': reader.name, 'parent': parent.name}) %}
    {%- endfor %}
{%- endfor %}

select unnest({{ edges }}::struct(reader varchar, parent varchar)[], recursive := true)
