{% macro exact_shape(value, over, moment) -%}
{#- Of the sums of powers, which a value from a thousand on would not fit into. -#}
{%- set mean = exact_mean(value, over) -%}
{%- set deviation = 'sqrt(nullif(greatest(' ~ exact_co_moment(value, value, over) ~ ', 0), 0))' -%}
{%- set powers = [] -%}
{%- for power in range(2, moment + 1) -%}
    {%- do powers.append(exact_mean('pow(' ~ value ~ ', ' ~ power ~ ')', over, 26)) -%}
{%- endfor -%}
case
    when
        max(abs({{ value }})) {{ over }} < 1000
        and min({{ value }}) {{ over }} < max({{ value }}) {{ over }}
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
