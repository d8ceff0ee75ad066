-- A model in models/scanners/scans is missing in scanners(): its candidates are in no signal.
{%- set forgotten = [] %}
{%- for model in project_nodes('model') if model.fqn[1:3] == ['scanners', 'scans'] %}
    {%- if model.name.removeprefix('scanners__') not in scanners() %}
        {%- do forgotten.append(model.name) %}
    {%- endif %}
{%- endfor %}

select unnest({{ forgotten }}::varchar[]) as scanner_model
