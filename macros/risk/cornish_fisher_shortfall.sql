{% macro cornish_fisher_shortfall(z, skewness, kurtosis) -%}
({{ normal_density(z) }} * (
    1 + {{ z }} * {{ skewness }} / 6
    + (pow({{ z }}, 2) - 1) * {{ kurtosis }} / 24
    - (2 * pow({{ z }}, 2) - 1) * pow({{ skewness }}, 2) / 36
))
{%- endmacro %}
