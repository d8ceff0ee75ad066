{% macro probabilistic_sharpe(sharpe, benchmark, observations, skewness, excess_kurtosis) -%}
{%- set z -%}
(({{ sharpe }} - {{ benchmark }}) * sqrt({{ observations }} - 1) / nullif(sqrt(greatest(
    1 - {{ skewness }} * {{ sharpe }}
    + ({{ excess_kurtosis }} + 2) / 4 * {{ sharpe }} * {{ sharpe }}, 0
)), 0))
{%- endset -%}
{{ normal_probability(z) }}
{%- endmacro %}

{#- The Euler–Mascheroni constant weighs the two quantiles of the expected maximum. -#}
{% macro expected_max_sharpe(variance, trials) -%}
{%- set euler = '0.5772156649015329e0' -%}
case
    when {{ trials }} > 1
        then sqrt({{ variance }}) * (
            (1 - {{ euler }}) * {{ normal_quantile('(1 - 1e0 / ' ~ trials ~ ')') }}
            + {{ euler }} * {{ normal_quantile('(1 - exp(-1e0) / ' ~ trials ~ ')') }}
        )
    else 0
end
{%- endmacro %}
