{% macro capture(side, frame) -%}
{#- Means of a session, compounded, of the portfolio over those of the benchmark. -#}
{%- set those = 'filter (where ' ~ side ~ ' and session_return is not null) over ' ~ frame -%}
{%- set share = '1 / nullif(count(*) ' ~ those ~ ', 0)::double' -%}
{%- set benchmark_mean = 'pow(' ~ exact_product('1 + benchmark_return', those) ~ ', ' ~ share
    ~ ') - 1' -%}
case
    when {{ exact_product('1 + session_return', those) }} >= 0
        then
            (pow({{ exact_product('1 + session_return', those) }}, {{ share }}) - 1)
            / {{ beyond_rounding(benchmark_mean) }}
end
{%- endmacro %}
