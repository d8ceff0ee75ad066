{% macro polynomial(x, coefficients) -%}
{%- set terms = coefficients | map('string') | join(' + ' ~ x ~ ' * (') -%}
({{ terms }}{{ ')' * (coefficients | length - 1) }})
{%- endmacro %}

{% macro normal_density(z) -%}
(exp(-0.5 * {{ z }} * {{ z }}) / sqrt(2 * pi()))
{%- endmacro %}

{#- Hart, Computer Approximations (1968), algorithm 5666, with West's continued fraction (2005). -#}
{% macro normal_probability(z) -%}
{%- set above = ['220.206867912376e0', '221.213596169931e0', '112.079291497871e0',
    '33.912866078383e0', '6.37396220353165e0', '0.700383064443688e0',
    '3.52624965998911e-2'] -%}
{%- set below = ['440.413735824752e0', '793.826512519948e0', '637.333633378831e0',
    '296.564248779674e0', '86.7807322029461e0', '16.064177579207e0', '1.75566716318264e0',
    '8.83883476483184e-2'] -%}
{%- set x = 'abs(' ~ z ~ ')' -%}
{%- set tail -%}
exp(-0.5e0 * {{ z }} * {{ z }}) * case
    when {{ x }} < 7.07106781186547e0
        then {{ polynomial(x, above) }} / {{ polynomial(x, below) }}
    else
        1 / ({{ x }} + 1 / ({{ x }} + 2 / ({{ x }} + 3 / ({{ x }} + 4 / ({{ x }} + 0.65e0)))))
        / 2.506628274631e0
end
{%- endset -%}
if({{ z }} > 0, 1 - {{ tail }}, {{ tail }})
{%- endmacro %}

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

{% macro normal_quantile_ratio(x, part) -%}
{%- set coefficients = {
    'middle': [
        ['3.3871328727963666080e0', '1.3314166789178437745e2', '1.9715909503065514427e3',
         '1.3731693765509461125e4', '4.5921953931549871457e4', '6.7265770927008700853e4',
         '3.3430575583588128105e4', '2.5090809287301226727e3'],
        ['1e0', '4.2313330701600911252e1', '6.8718700749205790830e2', '5.3941960214247511077e3',
         '2.1213794301586595867e4', '3.9307895800092710610e4', '2.8729085735721942674e4',
         '5.2264952788528545610e3'],
    ],
    'tail': [
        ['1.42343711074968357734e0', '4.63033784615654529590e0', '5.76949722146069140550e0',
         '3.64784832476320460504e0', '1.27045825245236838258e0', '2.41780725177450611770e-1',
         '2.27238449892691845833e-2', '7.74545014278341407640e-4'],
        ['1e0', '2.05319162663775882187e0', '1.67638483018380384940e0', '6.89767334985100004550e-1',
         '1.48103976427480074590e-1', '1.51986665636164571966e-2', '5.47593808499534494600e-4',
         '1.05075007164441684324e-9'],
    ],
    'far_tail': [
        ['6.65790464350110377720e0', '5.46378491116411436990e0', '1.78482653991729133580e0',
         '2.96560571828504891230e-1', '2.65321895265761230930e-2', '1.24266094738807843860e-3',
         '2.71155556874348757815e-5', '2.01033439929228813265e-7'],
        ['1e0', '5.99832206555887937690e-1', '1.36929880922735805310e-1',
         '1.48753612908506148525e-2', '7.86869131145613259100e-4', '1.84631831751005468180e-5',
         '1.42151175831644588870e-7', '2.04426310338993978564e-15'],
    ],
} -%}
{{ polynomial(x, coefficients[part][0]) }} / {{ polynomial(x, coefficients[part][1]) }}
{%- endmacro %}

{% macro chi_square_probability(x, freedom) -%}
{%- if freedom == 1 -%}
2 * {{ normal_probability('(-sqrt(' ~ x ~ '))') }}
{%- else -%}
exp(-{{ x }} / 2)
{%- endif -%}
{%- endmacro %}
