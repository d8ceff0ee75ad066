{% macro exact_mean(value, over='', decimals=16) -%}
{%- set exact = 'try_cast((' ~ value ~ ') as decimal(38, ' ~ decimals ~ '))' -%}
{#- A value that is too large for it leaves the mean unknown, rather than a mean of the others. -#}
case
    when count({{ exact }}) {{ over }} = count({{ value }}) {{ over }}
        then avg({{ exact }}) {{ over }}
end
{%- endmacro %}
