{% macro stored_timeframes(stored) -%}
{#- For this family; none, which means all of them, if the seed is not built yet. -#}
{%- if not load_relation(stored) -%}
    {{ return(none) }}
{%- endif -%}
{%- set found = run_query(
    "select timeframe from " ~ stored ~ " where family = '" ~ this.identifier ~ "' order by timeframe"
) -%}
{{ return(found.columns[0].values() | list) }}
{%- endmacro %}
