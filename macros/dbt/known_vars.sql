{% macro known_vars() -%}
{{ return([
    'as_of',
    'include_sample',
    'min_jump_ratio',
    'min_copied_symbols',
    'max_rejected_pct',
    'sessions_per_year',
]) }}
{%- endmacro %}
