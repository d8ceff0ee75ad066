-- A model has no data test, or a seed has neither a test nor a reader: it could be empty or wrong
-- and every build would still be green. Unit tests do not count, because they never see the data.
{%- set tests = project_nodes('test') %}
{%- set tested = tests | map(attribute='attached_node') | list %}
{%- for test in tests if not test.attached_node %}
    {%- do tested.extend(test.depends_on.nodes) %}
{%- endfor %}
{%- set read = [] %}
{%- for model in project_nodes('model') %}
    {%- do read.extend(model.depends_on.nodes) %}
{%- endfor %}

{%- set untested = [] %}
{%- for model in project_nodes('model') if model.unique_id not in tested %}
    {%- do untested.append(model.name) %}
{%- endfor %}
{%- for seed in project_nodes('seed') if seed.unique_id not in tested + read %}
    {%- do untested.append(seed.name) %}
{%- endfor %}

select unnest({{ untested }}::varchar[]) as relation
