{#- Newton's method; above `many` degrees of freedom the start is closer than Newton would get. -#}
{% macro student_quantile(p, z, nu) -%}
{%- set steps = 5 -%}
{%- set many = 1000 -%}
if({{ nu }} > {{ many }}, {{ student_start(z, nu) }}, list_reduce(
    range(1, {{ steps + 1 }})::double[],
    lambda t, step: t - (  -- noqa: PRS
        ({{ student_probability('t', nu) }} - {{ p }}) / {{ student_density('t', nu) }}
    ),
    {{ student_start(z, nu) }}
))
{%- endmacro %}
