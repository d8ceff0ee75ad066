{% macro probabilistic_sharpe(sharpe, benchmark, observations, skewness, excess_kurtosis) -%}
{%- set z -%}
(({{ sharpe }} - {{ benchmark }}) * sqrt({{ observations }} - 1) / nullif(sqrt(greatest(
    1 - {{ skewness }} * {{ sharpe }}
    + ({{ excess_kurtosis }} + 2) / 4 * {{ sharpe }} * {{ sharpe }}, 0
)), 0))
{%- endset -%}
{{ normal_probability(z) }}
{%- endmacro %}
