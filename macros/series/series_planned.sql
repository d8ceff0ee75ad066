{% macro series_planned(plan, name, sql, reads, start=none) -%}
{%- if sql in plan.texts -%}
    {{ return(plan.texts[sql]) }}
{%- endif -%}
{%- set at = namespace(step=0, start=0, name=name) -%}
{%- for column in reads -%}
    {%- set at.step = [at.step, plan.columns[column].step] | max -%}
    {%- set at.start = [at.start, plan.columns[column].start] | max -%}
{%- endfor -%}
{%- if name in plan.columns -%}
    {%- set at.name = name ~ '_' ~ plan.columns | length -%}
{%- endif -%}
{%- do plan.texts.update({sql: at.name}) -%}
{%- do plan.columns.update({at.name: {
    'sql': sql,
    'reads': reads,
    'step': at.step + 1,
    'start': at.start if start is none else start,
}}) -%}
{{ return(at.name) }}
{%- endmacro %}
