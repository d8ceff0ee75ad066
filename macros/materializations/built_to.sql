{% macro built_to(models) -%}
(
    select if(count(*) = {{ models | length }}, min(built_to), 0)
    from {{ build_state() }}
    where model in ('{{ models | join("', '") }}')
)
{%- endmacro %}
