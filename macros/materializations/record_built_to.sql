{% macro record_built_to(models) -%}
delete from {{ build_state() }} where model = '{{ model.name }}';
insert into {{ build_state() }} by name
select
    '{{ model.name }}' as model,
    '' as code,
    {{ built_to(models) }} as built_to,
    true as is_rebuilt
{%- endmacro %}
