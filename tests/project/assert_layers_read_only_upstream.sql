-- A layer reads a layer after it, so neither can be understood or built first. The order is in
-- layers(); a layer reads itself and those before it.
{%- set edges = [] %}
{%- set models = project_nodes('model') %}
{%- for reader in models if reader.fqn[1] in layers() %}
    {%- for parent in models
        if parent.unique_id in reader.depends_on.nodes and parent.fqn[1] in layers() %}
        {%- if layers().index(parent.fqn[1]) > layers().index(reader.fqn[1]) %}
            {%- do edges.append({'reader': reader.name, 'parent': parent.name}) %}
        {%- endif %}
    {%- endfor %}
{%- endfor %}

select unnest({{ edges }}::struct(reader varchar, parent varchar)[], recursive := true)
