-- A scanner, or what it is made of, reads the backtests: what came after a signal would decide
-- whether there is one.
{%- set edges = [] %}
{%- for model in project_nodes('model') if model.fqn[1] == 'scanners' %}
    {%- for parent in model.depends_on.nodes if '.backtests__' in parent %}
        {%- do edges.append({'reader': model.name, 'parent': parent}) %}
    {%- endfor %}
{%- endfor %}

select unnest({{ edges }}::struct(reader varchar, parent varchar)[], recursive := true)
