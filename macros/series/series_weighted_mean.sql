{% macro streaming__series_weighted_mean(plan, value, bars) -%}
{%- set zero = '0.0::double' -%}
{%- set at = namespace(weighted=zero, total=zero) -%}
{%- for part in series_powers(bars) -%}
    {%- set older_weighted = series_lagged(plan, series_doubled_weights(plan, value, part.size), part.offset) -%}
    {%- set older_total = series_lagged(plan, series_doubled_sum(plan, value, part.size), part.offset) -%}
    {%- set weighted = at.weighted ~ ' + ' ~ part.size ~ ' * ' ~ at.total ~ ' + ' ~ older_weighted -%}
    {%- set total = at.total ~ ' + ' ~ older_total -%}
    {%- if part.condition is none and loop.first -%}
        {%- set weighted = older_weighted -%}
        {%- set total = older_total -%}
    {%- elif part.condition is not none -%}
        {%- set weighted = 'case when ' ~ part.condition ~ ' then ' ~ weighted ~ ' else ' ~ at.weighted ~ ' end' -%}
        {%- set total = 'case when ' ~ part.condition ~ ' then ' ~ total ~ ' else ' ~ at.total ~ ' end' -%}
    {%- endif -%}
    {%- set at.weighted = series_planned(plan, value ~ '_weighted', weighted, 0) -%}
    {%- set at.total = series_planned(plan, value ~ '_merged', total, 0) -%}
{%- endfor -%}
{{ return(series_planned(
    plan, value ~ '_weighted_mean_' ~ bars,
    at.weighted ~ ' / (' ~ bars ~ ' * (' ~ bars ~ ' + 1) / 2)',
    series_moving_start(plan, [value], bars)
)) }}
{%- endmacro %}

{% macro windows__series_weighted_mean(plan, value, bars) -%}
{%- set terms = [] -%}
{%- for age in range(bars) -%}
    {%- do terms.append((bars - age) ~ ' * ' ~ series_lagged(plan, value, age)) -%}
{%- endfor -%}
{{ return(series_planned(
    plan, value ~ '_weighted_mean_' ~ bars,
    '(' ~ terms | join(' + ') ~ ') / ' ~ bars * (bars + 1) / 2,
    series_moving_start(plan, [value], bars)
)) }}
{%- endmacro %}
