{% macro series_in_session(plan, value, name, merged) -%}
{#-
    What the bars of a session so far come to: doubled eleven times, to 2,048 bars, more than the 1,440
    minutes of a market that never closes. `merged` is the SQL of two halves, NEWER and OLDER.
-#}
{%- set at = namespace(column=value) -%}
{%- for power in range(11) -%}
    {%- set halves = merged | replace('NEWER', at.column) | replace('OLDER', series_lagged(plan, at.column, 2 ** power)) -%}
    {%- set at.column = series_planned(
        plan, value ~ '_session_' ~ name ~ '_' ~ 2 ** (power + 1),
        'case when session_bar_number >= ' ~ 2 ** power ~ ' then ' ~ halves ~ ' else ' ~ at.column ~ ' end',
        plan.columns[value].start, plan.columns[value].memory, true
    ) -%}
{%- endfor -%}
{{ return(at.column) }}
{%- endmacro %}
