{% macro series_known_from(plan, value, bar) -%}
{{ return(series_planned(plan, value ~ '_known_from_' ~ bar, '(' ~ value ~ ')', bar)) }}
{%- endmacro %}
