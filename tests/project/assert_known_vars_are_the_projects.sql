-- A variable is in dbt_project.yml and not in known_vars(), so the command line refuses it; or it
-- is only in known_vars(), so it is accepted and does nothing.
{%- set project_file = invocation_args_dict.project_dir ~ '/dbt_project.yml' %}
{%- set listed = [] %}
{%- if execute %}
    {%- set query = "select content from read_text('" ~ project_file ~ "')" %}
    {%- set listed = fromyaml(run_query(query).columns[0].values()[0])['vars'] | list %}
{%- endif %}

with

listed as (
    select unnest({{ listed }}::varchar[]) as variable
),

known as (
    select unnest({{ known_vars() }}::varchar[]) as variable
)

select
    variable,
    listed.variable is not null as is_in_dbt_project,
    known.variable is not null as is_in_known_vars
from listed
full outer join known using (variable)
where listed.variable is null or known.variable is null
