-- A published model has no enforced contract, or a column without a type or a description: readers
-- build on a column that may change its type or mean anything. Staging is not published, an
-- ephemeral model is in no database, and a private model is read in its own layer only.
{%- set unpromised = [] %}
{%- for model in project_nodes('model')
    if model.fqn[1] != 'staging' and model.access != 'private'
    and model.config.materialized != 'ephemeral' %}
    {%- if not model.config.contract.enforced %}
        {%- do unpromised.append({'model': model.name, 'lacks': 'contract'}) %}
    {%- endif %}
    {%- for column in model.columns.values() if not column.description or not column.data_type %}
        {%- do unpromised.append({'model': model.name, 'lacks': column.name}) %}
    {%- endfor %}
{%- endfor %}

select unnest({{ unpromised }}::struct(model varchar, lacks varchar)[], recursive := true)
