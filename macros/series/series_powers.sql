{% macro series_powers(bars) -%}
{#- 20 = 16 + 4: the powers of two that make up a window, each with the bars that come before it. -#}
{%- set state = namespace(parts=[], offset=0, rest=bars) -%}
{%- for power in range(12) if state.rest > 0 -%}
    {%- if state.rest % 2 == 1 -%}
        {%- do state.parts.append({'size': 2 ** power, 'offset': state.offset}) -%}
        {%- set state.offset = state.offset + 2 ** power -%}
    {%- endif -%}
    {%- set state.rest = state.rest // 2 -%}
{%- endfor -%}
{{ return(state.parts) }}
{%- endmacro %}
