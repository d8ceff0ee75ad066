{% macro series_restored(text, marks) -%}
{%- set state = namespace(text=text) -%}
{%- for mark in marks | reverse if '«' in state.text -%}
    {%- set state.text = state.text | replace('«' ~ (marks | length - loop.index) ~ '»', mark) -%}
{%- endfor -%}
{{ return(state.text) }}
{%- endmacro %}
