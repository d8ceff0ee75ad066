{% macro finite_only(model) -%}
{%- set figures = [] -%}
{%- for column in model.columns.values() if column.data_type in ['double', 'float'] -%}
    {%- do figures.append(column.name) -%}
{%- endfor -%}
{%- if figures and model.config.materialized not in ['ephemeral', 'view'] -%}
select
    error(
        row_count || ' rows of {{ model.schema }}.{{ model.alias }} have a ' || column_name
        || ' that is infinite or not a number'
    )
from (
    select
        unnest({{ figures }}) as column_name,
        unnest([
            {%- for figure in figures %}
            count_if(not isfinite({{ figure }})){{ ',' if not loop.last }}
            {%- endfor %}
        ]) as row_count
    from {{ this }}
)
where row_count > 0
{%- endif -%}
{%- endmacro %}
