{% macro stale_bars_before() -%}
{#- How many bars before the first stale one are laid out for all families; one that looks back
    further reads the bars themselves. -#}
{{ return(2048) }}
{%- endmacro %}
