{% macro exact_slope(explained, by, over) -%}
{%- set compared = 'case when (' ~ explained ~ ') is not null then ' ~ by ~ ' end' -%}
{%- set answering = 'case when (' ~ by ~ ') is not null then ' ~ explained ~ ' end' -%}
{#- What never changes has a slope of 0, whatever rounding would leave. -#}
case
    when min({{ answering }}) {{ over }} = max({{ answering }}) {{ over }} then 0
    else {{ exact_co_moment(explained, by, over) }}
end
/ case
    when min({{ compared }}) {{ over }} < max({{ compared }}) {{ over }}
        then nullif({{ exact_co_moment(compared, compared, over) }}, 0)
end
{%- endmacro %}
