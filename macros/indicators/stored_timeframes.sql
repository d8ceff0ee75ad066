{% macro stored_timeframes(stored) -%}
{#- Of this family; none is all of them, where the seed is not built yet. -#}
{%- if not load_relation(stored) -%}
    {{ return(none) }}
{%- endif -%}
{%- set found = run_query(
    "select timeframe from " ~ stored ~ " where family = '" ~ this.identifier ~ "' order by timeframe"
) -%}
{{ return(found.columns[0].values() | list) }}
{%- endmacro %}
