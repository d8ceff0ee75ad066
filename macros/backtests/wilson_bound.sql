{% macro wilson_bound(successes, trials, side) -%}
{%- set z = '1.959963984540054e0' -%}
{%- set p = '(' ~ successes ~ ' / nullif(' ~ trials ~ ', 0)::double)' -%}
(
    {{ p }} + {{ z }} * {{ z }} / (2 * {{ trials }})
    {{ '-' if side == 'low' else '+' }} {{ z }} * sqrt(
        {{ p }} * (1 - {{ p }}) / {{ trials }}
        + {{ z }} * {{ z }} / (4 * {{ trials }} * {{ trials }})
    )
) / (1 + {{ z }} * {{ z }} / {{ trials }})
{%- endmacro %}
