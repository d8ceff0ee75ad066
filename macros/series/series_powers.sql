{% macro series_powers(bars) -%}
{#-
    20 = 4 + 16: the powers of two that make up a window, from the current bar back, each with the
    bars between it and the current bar. Of a parameter it is any of them, each under its condition,
    which DuckDB decides, and prunes by, when it plans.
-#}
{%- set parts = [] -%}
{%- if bars is number -%}
    {%- if bars < 1 -%}{{ exceptions.raise_compiler_error('series: a window of ' ~ bars ~ ' bars') }}{%- endif -%}
    {%- set at = namespace(offset=0, rest=bars) -%}
    {%- for power in range(16) if at.rest > 0 -%}
        {%- if at.rest % 2 == 1 -%}
            {%- do parts.append({'size': 2 ** power, 'offset': at.offset, 'condition': none}) -%}
            {%- set at.offset = at.offset + 2 ** power -%}
        {%- endif -%}
        {%- set at.rest = at.rest // 2 -%}
    {%- endfor -%}
{%- else -%}
    {%- for power in range(11) -%}
        {%- do parts.append({
            'size': 2 ** power,
            'offset': '(' ~ bars ~ ' & ' ~ (2 ** power - 1) ~ ')',
            'condition': bars ~ ' & ' ~ 2 ** power ~ ' > 0',
        }) -%}
    {%- endfor -%}
{%- endif -%}
{{ return(parts) }}
{%- endmacro %}
