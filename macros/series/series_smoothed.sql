{% macro series_smoothed(plan, value, name, bars, alpha, decay_number, first_bar=none) -%}
{#- y = y + alpha * (x - y), seeded with the mean of the first `bars` values, or of those up to a bar. -#}
{%- set start = plan.columns[value].start -%}
{%- set seed_end = series_plus(start, series_plus(bars, -1)) if first_bar is none else first_bar -%}
{%- set seed_start = start -%}
{%- if first_bar is not none -%}
    {%- set seed_start = seed_end - bars + 1 if seed_end is number and bars is number
        else '(' ~ seed_end ~ ' - ' ~ bars ~ ' + 1)' -%}
{%- endif -%}
{{ return(series_faded(
    plan, value, value ~ '_' ~ name ~ '_' ~ bars ~ ('' if first_bar is none else '_from_' ~ first_bar),
    seed_start, seed_end, '(1.0::double / ' ~ bars ~ ')', '(' ~ alpha ~ ')', '(1 - ' ~ alpha ~ ')', decay_number
)) }}
{%- endmacro %}
