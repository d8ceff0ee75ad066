{% macro series_session_total(plan, value) -%}
{#- Doubled eleven times: 2,048 bars, more than the 1,440 minutes of a market that never closes. -#}
{%- set at = namespace(column=value) -%}
{%- for power in range(11) -%}
    {%- set sql -%}
{{ at.column }} + case when session_bar_number >= {{ 2 ** power }} then lag({{ at.column }}, {{ 2 ** power }}) over () else 0.0 end
    {%- endset -%}
    {%- set at.column = series_planned(
        plan, value ~ '_session_total_' ~ 2 ** (power + 1), sql, [at.column, 'session_bar_number'], plan.columns[value].start
    ) -%}
{%- endfor -%}
{{ return(at.column) }}
{%- endmacro %}
