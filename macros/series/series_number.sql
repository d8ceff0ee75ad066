{% macro series_number(text, scope) -%}
{#- Left to right, as `slow + signal - 2` or `period / 2`; SQL where a parameter takes part. -#}
{%- set at = namespace(value=none, operator='') -%}
{%- for word in modules.re.findall('sqrt\\([a-z_]+\\)|[a-z_][a-z0-9_]*|[0-9.]+|[-+*/]', text) -%}
    {%- if word in ['+', '-', '*', '/'] -%}
        {%- set at.operator = word -%}
    {%- else -%}
        {%- if word.startswith('sqrt(') -%}
            {%- set of = scope[word[5:-1]] -%}
            {%- set number = (of ** 0.5) | int if of is number else 'floor(sqrt(' ~ of ~ '))::bigint' -%}
        {%- elif word in scope -%}
            {%- set number = scope[word] -%}
        {%- elif modules.re.match('[0-9]', word) -%}
            {%- set number = word | float if '.' in word else word | int -%}
        {%- else -%}
            {{ exceptions.raise_compiler_error("series: '" ~ word ~ "' in '" ~ text ~ "' is no number") }}
        {%- endif -%}
        {%- if at.value is none -%}
            {%- set at.value = number -%}
        {%- elif at.value is string or number is string -%}
            {%- set at.value = '(' ~ at.value ~ ' ' ~ ('//' if at.operator == '/' else at.operator) ~ ' ' ~ number ~ ')' -%}
        {%- elif at.operator == '+' -%}{%- set at.value = at.value + number -%}
        {%- elif at.operator == '-' -%}{%- set at.value = at.value - number -%}
        {%- elif at.operator == '*' -%}{%- set at.value = at.value * number -%}
        {%- else -%}{%- set at.value = at.value // number -%}
        {%- endif -%}
    {%- endif -%}
{%- endfor -%}
{{ return(at.value) }}
{%- endmacro %}
