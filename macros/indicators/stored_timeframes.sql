{% macro stored_timeframes(stored) -%}
{#- Of this family; none is all of them, as in a unit test, whose bars are all wanted. -#}
{%- if model.resource_type == 'unit_test' or not load_relation(stored) -%}
    {{ return(none) }}
{%- endif -%}
{%- set found = run_query(
    "select timeframe from " ~ stored ~ " where family = '" ~ this.identifier ~ "' order by timeframe"
) -%}
{{ return(found.columns[0].values() | list) }}
{%- endmacro %}
