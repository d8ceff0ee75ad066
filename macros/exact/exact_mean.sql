{% macro exact_mean(value, over='', decimals=16) -%}
{%- set exact = 'try_cast((' ~ value ~ ') as decimal(38, ' ~ decimals ~ '))' -%}
{#- If a value is too large to cast, the mean is NULL, not the mean of the others. -#}
case
    when count({{ exact }}) {{ over }} = count({{ value }}) {{ over }}
        then avg({{ exact }}) {{ over }}
end
{%- endmacro %}
