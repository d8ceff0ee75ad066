{% macro bounded(value, min_value=none, max_value=none, strictly=false) -%}
{%- set or_equal = '' if strictly else '=' -%}
{%- set bounds = [] -%}
{%- if min_value is not none -%}
    {%- do bounds.append(value ~ ' >' ~ or_equal ~ ' ' ~ min_value) -%}
{%- endif -%}
{%- if max_value is not none -%}
    {%- do bounds.append(value ~ ' <' ~ or_equal ~ ' ' ~ max_value) -%}
{%- endif -%}
{%- if not bounds -%}
    {{ exceptions.raise_compiler_error('A test of bounds needs min_value, max_value or both.') }}
{%- endif -%}
({{ bounds | join(' and ') }})
{%- endmacro %}
