{% macro cornish_fisher_quantile(z, skewness, kurtosis) -%}
({{ z }} + (pow({{ z }}, 2) - 1) * {{ skewness }} / 6
+ (pow({{ z }}, 3) - 3 * {{ z }}) * {{ kurtosis }} / 24
- (2 * pow({{ z }}, 3) - 5 * {{ z }}) * pow({{ skewness }}, 2) / 36)
{%- endmacro %}
