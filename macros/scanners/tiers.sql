{% macro scanner_tiers(tiers, scanner, components) -%}
select
{%- for component in components %}
    list({'more_than': more_than, 'share': share} order by more_than desc)
        filter (where component = '{{ component }}') as {{ component }}{{ ',' if not loop.last }}
{%- endfor %}
from {{ tiers }}
where scanner = '{{ scanner }}'
{%- endmacro %}

{% macro tier_share(component, value) -%}
list_filter(tiers.{{ component }}, lambda tier: {{ value }} > tier.more_than)[1].share
{%- endmacro %}
