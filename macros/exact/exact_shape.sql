{% macro exact_shape(value, over, moment) -%}
{#- From sums of powers, into which a value of 1,000 or more would not fit. If the deviation is
    small next to the mean, or next to their last decimal, only rounding is left of them. -#}
{%- set min_deviation = 1e-5 -%}
{%- set min_ratio = 1e-2 -%}
{%- set mean = exact_mean(value, over) -%}
{%- set powers = [] -%}
{%- for power in range(2, moment + 1) -%}
    {%- do powers.append(exact_mean('pow(' ~ value ~ ', ' ~ power ~ ')', over, 26)) -%}
{%- endfor -%}
{%- set deviation = 'sqrt(greatest(' ~ powers[0] ~ ' - pow(' ~ mean ~ ', 2), 0))' -%}
case
    when
        max(abs({{ value }})) {{ over }} < 1000
        and {{ powers[0] }}
        > (1 + pow({{ min_ratio }}, 2)) * pow({{ mean }}, 2) + pow({{ min_deviation }}, 2)
        then
            {%- if moment == 3 %}
            ({{ powers[1] }} - 3 * {{ mean }} * {{ powers[0] }} + 2 * pow({{ mean }}, 3))
            / pow({{ deviation }}, 3)
            {%- else %}
            (
                {{ powers[2] }} - 4 * {{ mean }} * {{ powers[1] }}
                + 6 * pow({{ mean }}, 2) * {{ powers[0] }} - 3 * pow({{ mean }}, 4)
            )
            / pow({{ deviation }}, 4)
            {%- endif %}
end
{%- endmacro %}
