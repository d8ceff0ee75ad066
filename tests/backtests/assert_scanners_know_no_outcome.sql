-- A scanner, or what it is made of, reads the backtests: what came after a signal would decide
-- whether there is one.
{%- set edges = [] %}
{%- set models = project_nodes('model') %}
{%- set scanners = models | selectattr('group', 'equalto', 'scanners') | list %}
{%- for model in scanners %}
    {%- for parent in models if parent.unique_id in model.depends_on.nodes %}
        {%- if parent.fqn[1] == 'backtests' %}
            {%- do edges.append({'reader': model.name, 'parent': parent.name}) %}
        {%- endif %}
    {%- endfor %}
{%- endfor %}

select unnest({{ edges }}::struct(reader varchar, parent varchar)[], recursive := true)
