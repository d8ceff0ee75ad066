{% macro exact_product(value, over, digits=15) -%}
{#- From the sum of logarithms, which handle neither signs nor zeros: both are treated apart. -#}
{%- set logarithm = exact_sum('ln(nullif(abs(' ~ value ~ '), 0))', over, 20) -%}
case
    when bool_or(({{ value }}) = 0) {{ over }} then 0
    else
        if(count(case when ({{ value }}) < 0 then 1 end) {{ over }} % 2 = 1, -1, 1)
        * round(
            exp({{ logarithm }}), ({{ digits }} - ceil({{ logarithm }} / ln(10)))::integer
        )
end
{%- endmacro %}
