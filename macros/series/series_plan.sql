{% macro series_plan() -%}
{#-
    columns  name -> what computes it, the step it is computed in, the first bar it is known at,
             and the columns it reads; step 0 is the bars themselves
    names    what a model calls a column -> the column (two formulas that are one share a column)
    texts    SQL already planned -> its column, so that a shared sub-expression is computed once
-#}
{%- set columns = {} -%}
{%- for name in series_bar_columns() -%}
    {%- do columns.update({name: {'sql': name, 'step': 0, 'start': 0, 'reads': []}}) -%}
{%- endfor -%}
{{ return({'columns': columns, 'names': {}, 'texts': {}}) }}
{%- endmacro %}
