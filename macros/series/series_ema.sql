{% macro series_ema(plan, value, period, first_bar=none) -%}
{%- set first = plan.columns[value].start + period - 1 if first_bar is none else first_bar -%}
{%- set alpha = 2 / (period + 1) -%}
{%- set name = value ~ '_ema_' ~ period ~ ('' if first_bar is none else '_from_' ~ first_bar) -%}
{%- set column = series_decayed(
    plan, value, name, first - period + 1, first, 1 / period, alpha, 1 - alpha
) -%}
{{ return(series_planned(plan, name, '(' ~ column ~ ')', [column], first)) }}
{%- endmacro %}
