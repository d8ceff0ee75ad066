{% macro exact_sum(value, over='', decimals=8) -%}
{#- 38 digits are the most there are, so that a sum of many values does not overflow early. -#}
(sum(({{ value }})::decimal(38, {{ decimals }})) {{ over }})::double
{%- endmacro %}

{% macro exact_mean(value, over='', decimals=16) -%}
{%- set exact = 'try_cast((' ~ value ~ ') as decimal(38, ' ~ decimals ~ '))' -%}
{#- If a value is too large to cast, the mean is NULL, not the mean of the others. -#}
case
    when count({{ exact }}) {{ over }} = count({{ value }}) {{ over }}
        then avg({{ exact }}) {{ over }}
end
{%- endmacro %}

{% macro exact_product(value, over, digits=15) -%}
{#- From the sum of logarithms, which handle neither signs nor zeros: both are treated apart. -#}
{%- set logarithm = exact_sum('ln(nullif(abs(' ~ value ~ '), 0))', over, 20) -%}
case
    when bool_or(({{ value }}) = 0) {{ over }} then 0
    else
        case count(case when ({{ value }}) < 0 then 1 end) {{ over }} % 2 when 1 then -1 else 1 end
        * round(
            exp({{ logarithm }}), ({{ digits }} - ceil({{ logarithm }} / ln(10)))::integer
        )
end
{%- endmacro %}

{% macro exact_co_moment(left, right, over) -%}
{#- Rows that have both values. A product of small numbers needs more decimals than they do. -#}
{%- set both = '(' ~ left ~ ') is not null and (' ~ right ~ ') is not null' -%}
({{ exact_mean('(' ~ left ~ ') * (' ~ right ~ ')', over, 26) }}
- {{ exact_mean('case when ' ~ both ~ ' then ' ~ left ~ ' end', over) }}
* {{ exact_mean('case when ' ~ both ~ ' then ' ~ right ~ ' end', over) }})
{%- endmacro %}

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

{% macro exact_deviation(value, over) -%}
{%- set n = 'count(' ~ value ~ ') ' ~ over -%}
{#- A constant has a deviation of 0; rounding would leave something else. -#}
case
    when {{ n }} > 1 and min({{ value }}) {{ over }} = max({{ value }}) {{ over }} then 0
    when {{ n }} > 1
        then
            sqrt(
                greatest({{ exact_co_moment(value, value, over) }}, 0)
                * {{ n }} / ({{ n }} - 1)
            )
end
{%- endmacro %}

{% macro exact_shape(value, over, moment) -%}
{#- From sums of powers, into which a value of 1,000 or more would not fit. If the deviation is
    small next to the mean, or next to their last decimal, only rounding is left of them. -#}
{%- set min_deviation = 1e-5 -%}
{%- set min_ratio = 1e-2 -%}
{%- set mean = exact_mean(value, over) -%}
{%- set powers = [] -%}
{%- for power in range(2, moment + 1) -%}
    {%- do powers.append(exact_mean('pow(' ~ value ~ ', ' ~ power ~ ')', over, 26)) -%}
{%- endfor -%}
{%- set deviation = 'sqrt(greatest(' ~ powers[0] ~ ' - pow(' ~ mean ~ ', 2), 0))' -%}
case
    when
        max(abs({{ value }})) {{ over }} < 1000
        and {{ powers[0] }}
        > (1 + pow({{ min_ratio }}, 2)) * pow({{ mean }}, 2) + pow({{ min_deviation }}, 2)
        then
            {%- if moment == 3 %}
            ({{ powers[1] }} - 3 * {{ mean }} * {{ powers[0] }} + 2 * pow({{ mean }}, 3))
            / pow({{ deviation }}, 3)
            {%- else %}
            (
                {{ powers[2] }} - 4 * {{ mean }} * {{ powers[1] }}
                + 6 * pow({{ mean }}, 2) * {{ powers[0] }} - 3 * pow({{ mean }}, 4)
            )
            / pow({{ deviation }}, 4)
            {%- endif %}
end
{%- endmacro %}
