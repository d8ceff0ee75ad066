{% macro series_plus(left, right) -%}
{#- Of whole numbers a number; of parameters of a table macro their SQL. -#}
{%- if left is number and right is number -%}
    {{ return(left + right) }}
{%- elif right == 0 or left == 0 -%}
    {{ return(left if right == 0 else right) }}
{%- elif right is number and right < 0 -%}
    {{ return('(' ~ left ~ ' - ' ~ -right ~ ')') }}
{%- endif -%}
{{ return('(' ~ left ~ ' + ' ~ right ~ ')') }}
{%- endmacro %}
