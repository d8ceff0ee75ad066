{#- Like dbt's own, and true for a family of indicators whose SQL says that it is rebuilt. -#}
{% macro should_full_refresh() -%}
{%- set of_config = config.get('full_refresh') -%}
{{ return(
    (flags.FULL_REFRESH if of_config is none else of_config)
    or '-- rebuilt from code ' in (model.get('compiled_code') or '')
) }}
{%- endmacro %}
