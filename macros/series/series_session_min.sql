{% macro streaming__series_session_min(plan, value) -%}
{{ return(series_in_session(plan, value, 'min', 'case when OLDER < NEWER then OLDER else NEWER end')) }}
{%- endmacro %}

{% macro windows__series_session_min(plan, value) -%}
{{ return(series_planned(plan, value ~ '_session_min', 'min(' ~ value ~ ') ' ~ series_over_session())) }}
{%- endmacro %}
