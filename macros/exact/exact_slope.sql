{% macro exact_slope(explained, by, over) -%}
{%- set paired_by = 'case when (' ~ explained ~ ') is not null then ' ~ by ~ ' end' -%}
{%- set paired_explained = 'case when (' ~ by ~ ') is not null then ' ~ explained ~ ' end' -%}
{#- A constant has a slope of 0; rounding would leave something else. -#}
case
    when min({{ paired_explained }}) {{ over }} = max({{ paired_explained }}) {{ over }} then 0
    else {{ exact_co_moment(explained, by, over) }}
end
/ case
    when min({{ paired_by }}) {{ over }} < max({{ paired_by }}) {{ over }}
        then nullif({{ exact_co_moment(paired_by, paired_by, over) }}, 0)
end
{%- endmacro %}
