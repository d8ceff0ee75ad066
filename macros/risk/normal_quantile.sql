{#-
    Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, Applied Statistics
    37 (1988), the routine PPND16: one ratio of polynomials in the middle and one for each tail.
-#}
{% macro normal_quantile(p) -%}
{%- set middle = '(0.180625e0 - (' ~ p ~ ' - 0.5e0) * (' ~ p ~ ' - 0.5e0))' -%}
{%- set distance = 'sqrt(-ln(least(' ~ p ~ ', 1 - ' ~ p ~ ')))' -%}
{%- set tail = '(' ~ distance ~ ' - 1.6e0)' -%}
{%- set far_tail = '(' ~ distance ~ ' - 5e0)' -%}
case
    when {{ p }} <= 0 or {{ p }} >= 1 then null
    when abs({{ p }} - 0.5e0) <= 0.425e0
        then ({{ p }} - 0.5e0) * {{ normal_quantile_ratio(middle, 'middle') }}
    when {{ distance }} <= 5
        then sign({{ p }} - 0.5e0) * {{ normal_quantile_ratio(tail, 'tail') }}
    else sign({{ p }} - 0.5e0) * {{ normal_quantile_ratio(far_tail, 'far_tail') }}
end
{%- endmacro %}
