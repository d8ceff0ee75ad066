{% macro series_latest(starts) -%}
{%- set numbers = starts | select('number') | list -%}
{%- set parameters = starts | reject('number') | unique | list -%}
{%- set known = [numbers | max] if numbers | default([0], true) | max > 0 else [] -%}
{%- set all = parameters + known -%}
{{ return((all or [0])[0] if all | length < 2 else 'greatest(' ~ all | join(', ') ~ ')') }}
{%- endmacro %}
