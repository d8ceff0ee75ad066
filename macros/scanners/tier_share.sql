{% macro tier_share(component, value) -%}
list_filter(tiers.{{ component }}, lambda tier: {{ value }} > tier.more_than)[1].share
{%- endmacro %}
