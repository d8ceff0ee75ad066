{% macro streaming__series_moving_max(plan, value, bars) -%}
{%- set found = series_extreme(plan, value, bars, '>') -%}
{{ return(series_planned(plan, value ~ '_moving_max_' ~ bars, '(' ~ found.best ~ ')', found.start)) }}
{%- endmacro %}

{% macro windows__series_moving_max(plan, value, bars) -%}
{{ return(series_planned(
    plan, value ~ '_moving_max_' ~ bars, 'max(' ~ value ~ ') ' ~ series_frame(bars),
    series_moving_start(plan, [value], bars)
)) }}
{%- endmacro %}
