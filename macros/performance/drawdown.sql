{% macro drawdown(equity, peak) -%}
{#- A gap to the peak that is smaller than this is rounding, not a drawdown. -#}
{%- set rounding = '1e-12' -%}
if({{ equity }} / {{ peak }} > 1 - {{ rounding }}, 0, {{ equity }} / {{ peak }} - 1)::double
{%- endmacro %}
