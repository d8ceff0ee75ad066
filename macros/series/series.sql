{% macro series(bars, define, outputs) -%}
{#- Nothing here refers to a relation, so that parsing need not wait for the compiler. -#}
{%- if not execute -%}{{ return('final as (select 1)') }}{%- endif -%}

{%- set plan = series_plan() -%}
{%- for name, formula in define.items() -%}
    {%- do plan.names.update({name: series_column(plan, formula, name)}) -%}
{%- endfor -%}
{%- set finals = {} -%}
{%- for name, formula in outputs.items() -%}
    {%- do finals.update({name: series_expression(plan, formula)}) -%}
{%- endfor -%}

{{ series_steps(plan, finals, bars) }}
{%- endmacro %}
