{% macro cornish_fisher_quantile(z, skewness, kurtosis) -%}
({{ z }} + (pow({{ z }}, 2) - 1) * {{ skewness }} / 6
+ (pow({{ z }}, 3) - 3 * {{ z }}) * {{ kurtosis }} / 24
- (2 * pow({{ z }}, 3) - 5 * {{ z }}) * pow({{ skewness }}, 2) / 36)
{%- endmacro %}

{% macro cornish_fisher_shortfall(z, skewness, kurtosis) -%}
({{ normal_density(z) }} * (
    1 + {{ z }} * {{ skewness }} / 6
    + (pow({{ z }}, 2) - 1) * {{ kurtosis }} / 24
    - (2 * pow({{ z }}, 2) - 1) * pow({{ skewness }}, 2) / 36
))
{%- endmacro %}

{#- The derivative of the expansion is a parabola in z, which must never be negative. -#}
{% macro cornish_fisher_is_monotone(skewness, kurtosis) -%}
{%- set square = '(' ~ kurtosis ~ ' / 8 - pow(' ~ skewness ~ ', 2) / 6)' -%}
{%- set constant = '(1 - ' ~ kurtosis ~ ' / 8 + 5 * pow(' ~ skewness ~ ', 2) / 36)' -%}
({{ square }} >= 0 and {{ constant }} >= 0
and pow({{ skewness }}, 2) / 9 <= 4 * {{ square }} * {{ constant }})
{%- endmacro %}
