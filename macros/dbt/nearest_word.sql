{% macro nearest_word(word, words) -%}
{%- set nearest = namespace(word=none, likeness=-1) -%}
{%- for candidate in words -%}
    {%- set shared = [] -%}
    {%- for start in range(candidate | length - 1) if candidate[start:start + 2] in word -%}
        {%- do shared.append(start) -%}
    {%- endfor -%}
    {%- set likeness = (shared | length) / (candidate | length + word | length) -%}
    {%- if likeness > nearest.likeness -%}
        {%- set nearest.word = candidate -%}
        {%- set nearest.likeness = likeness -%}
    {%- endif -%}
{%- endfor -%}
{{ return(nearest.word) }}
{%- endmacro %}
