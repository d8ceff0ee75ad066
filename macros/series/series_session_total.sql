{% macro streaming__series_session_total(plan, value) -%}
{{ return(series_in_session(plan, value, 'total', 'NEWER + OLDER')) }}
{%- endmacro %}

{% macro windows__series_session_total(plan, value) -%}
{{ return(series_planned(plan, value ~ '_session_total', 'sum(' ~ value ~ ') ' ~ series_over_session())) }}
{%- endmacro %}
