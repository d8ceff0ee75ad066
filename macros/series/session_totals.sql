{% macro series_running_total(plan, value) -%}
{#-
    A total over all series that went before, less what it was when this series began: exact, for it
    counts in whole billionths of a thousandth, so neither the order of the sums nor the neighbors can
    be seen in it. What is not known adds nothing; until something is, neither is the total. An
    increment begins at its first bar with `stored(value)`, what that bar had come to.
-#}
{%- if plan.lowering == 'windows' -%}{{ return(windows_running_total(plan, value)) }}{%- endif -%}
{%- set start = plan.columns[value].start -%}
{%- set whole = series_planned(
    plan, value ~ '_whole', 'case when bar_number >= ' ~ start ~ ' then (' ~ value ~ ' * 1e12::double)::hugeint end', 0
) -%}
{%- set to_date = series_planned(plan, value ~ '_to_date', 'sum(' ~ whole ~ ') over (rows unbounded preceding)', 0) -%}
{%- set first_stored = ' when first_loaded_bar > 0 and bar_number = first_loaded_bar + ' ~ plan.columns[value].memory ~ ' then ' -%}
{%- set end = ' end ignore nulls) over (rows unbounded preceding)' -%}
{%- set begins = 'last_value(case when bar_number = ' ~ start ~ ' then coalesce(' ~ to_date ~ ' - ' ~ whole ~ ', ' ~ to_date ~ ', 0)' -%}
{%- set begun = series_planned(
    plan, value ~ '_begun', begins ~ end, 0,
    increment_sql=begins ~ first_stored ~ 'coalesce(' ~ to_date ~ ', 0) - coalesce(stored(' ~ value ~ '), 0)' ~ end
) -%}
{%- set is_known = 'last_value(case when bar_number <= ' ~ start ~ ' then ' ~ whole ~ ' is not null' -%}
{%- set later_known = ' when ' ~ whole ~ ' is not null then true' -%}
{%- set known = series_planned(
    plan, value ~ '_known', is_known ~ later_known ~ end, 0,
    increment_sql=is_known ~ first_stored ~ 'stored(' ~ value ~ ') is not null' ~ later_known ~ end
) -%}
{%- set exact = series_planned(
    plan, value ~ '_exact', 'case when ' ~ known ~ ' then ' ~ to_date ~ ' - ' ~ begun ~ ' end', start
) -%}
{%- set total = series_planned(plan, value ~ '_total', exact ~ '::double / 1e12::double', start) -%}
{%- do plan.carried.update({total: value}) -%}
{%- do plan.columns[total].update({'memory': plan.columns[value].memory + 1, 'exact': exact}) -%}
{{ return(total) }}
{%- endmacro %}

{% macro series_session_total(plan, value) -%}
{%- if plan.lowering == 'windows' -%}{{ return(windows_session(plan, value, 'session_total', 'sum')) }}{%- endif -%}
{{ return(series_in_session(plan, value, 'total', 'NEWER + OLDER')) }}
{%- endmacro %}

{% macro series_session_max(plan, value) -%}
{%- if plan.lowering == 'windows' -%}{{ return(windows_session(plan, value, 'session_max', 'max')) }}{%- endif -%}
{{ return(series_in_session(plan, value, 'max', 'case when OLDER > NEWER then OLDER else NEWER end')) }}
{%- endmacro %}

{% macro series_session_min(plan, value) -%}
{%- if plan.lowering == 'windows' -%}{{ return(windows_session(plan, value, 'session_min', 'min')) }}{%- endif -%}
{{ return(series_in_session(plan, value, 'min', 'case when OLDER < NEWER then OLDER else NEWER end')) }}
{%- endmacro %}

{% macro series_in_session(plan, value, name, merged) -%}
{#-
    What the bars of a session come to, up to this one: doubled eleven times, to 2,048 bars, more
    than the 1,440 minutes of a market that never closes. `merged` is the SQL of two halves, NEWER and OLDER.
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

{% macro series_at_session_start(plan, value) -%}
{#- Of the last row that began a session. A struct is not null where its value is, so nothing of the
    series before shines through. -#}
{%- if plan.lowering == 'windows' -%}{{ return(windows_session(plan, value, 'at_session_start', 'first_value')) }}{%- endif -%}
{%- set begun = 'last_value(case when session_bar_number = 0 then {\'of\': ' ~ value ~ '} end ignore nulls) over (rows unbounded preceding)' -%}
{%- set at = series_planned(plan, value ~ '_session_start', begun, 0, none, true) -%}
{{ return(series_planned(plan, value ~ '_at_session_start', at ~ '.of', plan.columns[value].start)) }}
{%- endmacro %}

{% macro series_before_session(plan, value) -%}
{#- x of the last bar of the session before. -#}
{%- set begun = series_at_session_start(plan, series_lag(plan, value)) -%}
{{ return(series_planned(
    plan, value ~ '_before_session', 'case when bar_number > session_bar_number then ' ~ begun ~ ' end',
    plan.columns[value].start
)) }}
{%- endmacro %}

{% macro series_total_as_decimal(column) -%}
{#- A running total, which counts in billionths of a thousandth, as the decimal it is stored as. -#}
{{ return(column ~ '::decimal(38, 0) * 0.000000000001::decimal(13, 12)') }}
{%- endmacro %}

{% macro series_total_of_decimal(column) -%}
{#- A stored running total in billionths of a thousandth. -#}
{{ return(
    '(trunc(' ~ column ~ ')::hugeint * 1000000000000 + round((' ~ column ~ ' - trunc(' ~ column
    ~ '))::double * 1e12::double)::hugeint)'
) }}
{%- endmacro %}

{% macro windows_running_total(plan, value) -%}
{%- set start = plan.columns[value].start -%}
{{ return(series_planned(
    plan, value ~ '_total',
    '(sum(case when bar_number >= ' ~ start ~ ' then cast(' ~ value
    ~ ' as decimal(38, 12)) end) over (partition by symbol, timeframe order by bar_number rows unbounded preceding))::decimal(38, 12)',
    start
)) }}
{%- endmacro %}

{% macro windows_session(plan, value, name, aggregate) -%}
{#- An aggregate of the bars of the session to date. -#}
{{ return(series_planned(
    plan, value ~ '_' ~ name,
    aggregate ~ '(' ~ value ~ ') over (partition by symbol, timeframe, bar_number - session_bar_number order by bar_number rows unbounded preceding)'
)) }}
{%- endmacro %}
