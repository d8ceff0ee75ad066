{% macro exact_slope(explained, by, over) -%}
{%- set both = '(' ~ explained ~ ') is not null' -%}
{%- set compared = 'case when ' ~ both ~ ' then ' ~ by ~ ' end' -%}
{{ exact_co_moment(explained, by, over) }}
/ case
    when min({{ compared }}) {{ over }} < max({{ compared }}) {{ over }}
        then nullif({{ exact_co_moment(compared, compared, over) }}, 0)
end
{%- endmacro %}
