{% macro wilson_bound(successes, trials, side) -%}
{#- The 97.5 percent quantile of the normal distribution. -#}
{%- set z = '1.959963984540054e0' -%}
{%- set p = '(' ~ successes ~ ' / ' ~ trials ~ '::double)' -%}
{%- set bound -%}
(
    {{ p }} + {{ z }} * {{ z }} / (2 * {{ trials }})
    {{ '-' if side == 'low' else '+' }} {{ z }} * sqrt(
        {{ p }} * (1 - {{ p }}) / {{ trials }}
        + {{ z }} * {{ z }} / (4 * {{ trials }}::double * {{ trials }})
    )
) / (1 + {{ z }} * {{ z }} / {{ trials }})
{%- endset -%}
{#- Rounding could put the bound of only failures, or only successes, beyond the ratio itself. -#}
case
    when {{ trials }} > 0
        then
        {%- if side == 'low' %}
            greatest(0, least({{ p }}, {{ bound }}))
        {%- else %}
            least(1, greatest({{ p }}, {{ bound }}))
        {%- endif %}
end
{%- endmacro %}
