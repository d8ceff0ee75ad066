{% macro series_moving_deviation(plan, value, bars) -%}
{#- Nothing to double here: each distance is from this bar's own mean. -#}
{%- set mean = series_moving_mean(plan, value, bars) -%}
{%- set start = series_moving_start(plan, [value], bars) -%}
{%- set terms = [] -%}
{%- for age in range(bars if bars is number else 100) -%}
    {%- set distance = 'abs(' ~ series_lagged(plan, value, age) ~ ' - ' ~ mean ~ ')' -%}
    {%- do terms.append(
        distance if bars is number else 'case when ' ~ age ~ ' < ' ~ bars ~ ' then ' ~ distance ~ ' else 0.0 end'
    ) -%}
{%- endfor -%}
{%- set sql = '(' ~ terms | join(' + ') ~ ') / ' ~ bars -%}
{%- if bars is string -%}
    {%- set sql = 'case when ' ~ bars ~ ' > 100 then error(\'a mean deviation of more than 100 bars\') else ' ~ sql ~ ' end' -%}
{%- endif -%}
{{ return(series_planned(plan, value ~ '_deviation_' ~ bars, sql, start)) }}
{%- endmacro %}
