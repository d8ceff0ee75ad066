{% macro streaming__series_at_session_start(plan, value) -%}
{#- Of the last row that began a session. A struct is not null where its value is, so nothing of the
    series before shines through. -#}
{%- set begun = 'last_value(case when session_bar_number = 0 then {\'of\': ' ~ value ~ '} end ignore nulls) over (rows unbounded preceding)' -%}
{%- set at = series_planned(plan, value ~ '_session_start', begun, 0, none, true) -%}
{{ return(series_planned(plan, value ~ '_at_session_start', at ~ '.of', plan.columns[value].start)) }}
{%- endmacro %}

{% macro windows__series_at_session_start(plan, value) -%}
{{ return(series_planned(
    plan, value ~ '_at_session_start', 'first_value(' ~ value ~ ') ' ~ series_over_session(),
    plan.columns[value].start
)) }}
{%- endmacro %}
