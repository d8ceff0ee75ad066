{#- For large values the logarithms differ by less than their rounding, so a series is used. -#}
{% macro student_constant(nu) -%}
{%- set half = '(' ~ nu ~ ' / 2e0)' -%}
(exp(if(
    {{ half }} < 100,
    lgamma({{ half }} + 0.5e0) - lgamma({{ half }}),
    0.5e0 * ln({{ half }}) - 1 / (8e0 * {{ half }}) + 1 / (192e0 * pow({{ half }}, 3))
    - 1 / (640e0 * pow({{ half }}, 5))
)) / sqrt(pi()))
{%- endmacro %}

{#- For a small x, the logarithm of 1 + x is a series, because 1 + x loses the last digits of x. -#}
{% macro student_density(t, nu) -%}
{%- set x = '(' ~ t ~ ' * ' ~ t ~ ' / ' ~ nu ~ ')' -%}
({{ student_constant(nu) }} / sqrt({{ nu }}) * exp(-({{ nu }} + 1) / 2 * if(
    {{ x }} < 1e-4, {{ x }} * (1 - {{ x }} / 2 + {{ x }} * {{ x }} / 3), ln(1 + {{ x }})
)))
{%- endmacro %}

{#- Abscissas and weights of the 24-point Gauss–Legendre rule: Abramowitz and Stegun 25.4. -#}
{% macro student_probability(t, nu) -%}
{%- set rule -%}
[
    [0.06405689286260563e0, 0.12793819534675202e0], [0.1911188674736163e0, 0.12583745634682825e0],
    [0.3150426796961634e0, 0.1216704729278033e0], [0.4337935076260451e0, 0.11550566805372552e0],
    [0.5454214713888396e0, 0.10744427011596556e0], [0.6480936519369755e0, 0.09761865210411393e0],
    [0.7401241915785544e0, 0.0861901615319532e0], [0.820001985973903e0, 0.07334648141108016e0],
    [0.8864155270044011e0, 0.05929858491543636e0], [0.9382745520027328e0, 0.04427743881741941e0],
    [0.9747285559713095e0, 0.02853138862893356e0], [0.9951872199970213e0, 0.01234122979998869e0]
]
{%- endset -%}
{%- set half = '(atan(' ~ t ~ ' / sqrt(' ~ nu ~ ')) / 2)' -%}
(0.5e0 + {{ student_constant(nu) }} * {{ half }} * list_sum(list_transform(
    {{ rule }},
    lambda point: point[2] * (
        pow(cos({{ half }} * (1 - point[1])), {{ nu }} - 1)
        + pow(cos({{ half }} * (1 + point[1])), {{ nu }} - 1)
    )
)))
{%- endmacro %}

{% macro student_start(z, nu) -%}
({{ z }} + (pow({{ z }}, 3) + {{ z }}) / (4 * {{ nu }})
+ (5 * pow({{ z }}, 5) + 16 * pow({{ z }}, 3) + 3 * {{ z }}) / (96 * {{ nu }} * {{ nu }})
+ (3 * pow({{ z }}, 7) + 19 * pow({{ z }}, 5) + 17 * pow({{ z }}, 3) - 15 * {{ z }})
/ (384 * pow({{ nu }}, 3)))
{%- endmacro %}

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
