{% macro series_before_session(plan, value) -%}
{%- set begun = series_operation_on(plan, 'at_session_start', [series_lag(plan, value)]) -%}
{{ return(series_planned(
    plan, value ~ '_before_session', 'case when bar_number > session_bar_number then ' ~ begun ~ ' end',
    plan.columns[value].start
)) }}
{%- endmacro %}
