{#- As dbt's own, and true for a family of indicators that was rendered to be built anew. -#}
{% macro should_full_refresh() -%}
{%- set of_config = config.get('full_refresh') -%}
{{ return(
    (flags.FULL_REFRESH if of_config is none else of_config)
    or '-- anew from code ' in (model.get('compiled_code') or '')
) }}
{%- endmacro %}
