{% macro choose_query(code, goes_on) -%}
{%- do run_query(
    "set variable chosen_query = {'model': '" ~ model.name ~ "', 'code': '" ~ code
    ~ "', 'goes_on': " ~ goes_on | lower ~ '}'
) -%}
{%- endmacro %}
