-- A scanner is not read by scanners.signals: it was added after dbt last parsed that model. Run dbt
-- with --no-partial-parse.
{%- set signals = project_nodes('model') | selectattr('name', 'equalto', 'scanners__signals') %}
{%- set read = (signals | first).refs | map(attribute='name') | list %}
{%- set existing = scanners() | map(attribute='model') | list %}

select unnest({{ existing | reject('in', read) | list }}::varchar[]) as scanner_model
