{% macro streaming__series_moving_sum(plan, value, bars) -%}
{%- set start = series_moving_start(plan, [value], bars) -%}
{%- if bars is number -%}
    {%- set sums = [] -%}
    {%- for part in series_powers(bars) -%}
        {%- do sums.append(series_lagged(plan, series_doubled_sum(plan, value, part.size), part.offset)) -%}
    {%- endfor -%}
    {#- A power of two is a doubled sum already, but that one has no start of its own. -#}
    {{ return(series_planned(plan, value ~ '_moving_sum_' ~ bars, '(' ~ sums | join(' + ') ~ ')', start)) }}
{%- endif -%}
{%- set at = namespace(total='0.0::double') -%}
{%- for part in series_powers(bars) -%}
    {%- set doubled = series_doubled_sum(plan, value, part.size) -%}
    {%- set at.total = series_planned(
        plan, value ~ '_moving_sum',
        'case when ' ~ part.condition ~ ' then ' ~ at.total ~ ' + ' ~ series_lagged(plan, doubled, part.offset)
        ~ ' else ' ~ at.total ~ ' end',
        start
    ) -%}
{%- endfor -%}
{{ return(at.total) }}
{%- endmacro %}

{% macro windows__series_moving_sum(plan, value, bars) -%}
{{ return(series_planned(
    plan, value ~ '_moving_sum_' ~ bars, 'sum(' ~ value ~ ') ' ~ series_frame(bars),
    series_moving_start(plan, [value], bars)
)) }}
{%- endmacro %}
