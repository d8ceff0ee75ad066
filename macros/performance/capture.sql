{% macro capture(side, frame) -%}
{#- The portfolio's compound mean return per session over the benchmark's. -#}
{%- set on_side = 'filter (where ' ~ side ~ ' and session_return is not null) over ' ~ frame -%}
{%- set exponent = '1 / nullif(count(*) ' ~ on_side ~ ', 0)::double' -%}
{%- set benchmark_mean = 'pow(' ~ exact_product('1 + benchmark_return', on_side) ~ ', ' ~ exponent
    ~ ') - 1' -%}
case
    when {{ exact_product('1 + session_return', on_side) }} >= 0
        then
            (pow({{ exact_product('1 + session_return', on_side) }}, {{ exponent }}) - 1)
            / {{ beyond_rounding(benchmark_mean) }}
end
{%- endmacro %}
