{% macro finite(value) -%}
case when isfinite({{ value }}) then {{ value }} end
{%- endmacro %}

{% macro finite_only(model) -%}
{%- set figures = [] -%}
{%- if execute and model.config.materialized not in ['ephemeral', 'view'] -%}
    {#- The properties file of a model without a contract may leave out columns. -#}
    {%- set columns = model.columns.values() if model.config.contract.enforced
        else adapter.get_columns_in_relation(this) -%}
    {%- for column in columns if column.data_type | lower in ['double', 'float'] -%}
        {%- do figures.append(column.name) -%}
    {%- endfor -%}
{%- endif -%}
{%- if figures -%}
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
