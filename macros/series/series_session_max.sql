{% macro streaming__series_session_max(plan, value) -%}
{{ return(series_in_session(plan, value, 'max', 'case when OLDER > NEWER then OLDER else NEWER end')) }}
{%- endmacro %}

{% macro windows__series_session_max(plan, value) -%}
{{ return(series_planned(plan, value ~ '_session_max', 'max(' ~ value ~ ') ' ~ series_over_session())) }}
{%- endmacro %}
