{#- The derivative of the expansion is a parabola in z, which must never be negative. -#}
{% macro cornish_fisher_is_monotone(skewness, kurtosis) -%}
{%- set square = '(' ~ kurtosis ~ ' / 8 - pow(' ~ skewness ~ ', 2) / 6)' -%}
{%- set constant = '(1 - ' ~ kurtosis ~ ' / 8 + 5 * pow(' ~ skewness ~ ', 2) / 36)' -%}
({{ square }} >= 0 and {{ constant }} >= 0
and pow({{ skewness }}, 2) / 9 <= 4 * {{ square }} * {{ constant }})
{%- endmacro %}
