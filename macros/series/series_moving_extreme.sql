{% macro series_moving_extreme(plan, value, bars, beats) -%}
{#- The best of `size` bars, then of twice as many; the last two halves may overlap. -#}
{%- set start = plan.columns[value].start + bars - 1 -%}
{%- set name = value ~ ('_max_' if beats == '>' else '_min_') -%}
{%- set at = namespace(best=value, size=1) -%}
{%- for _ in range(12) if at.size < bars -%}
    {%- set step = [at.size, bars - at.size] | min -%}
    {%- set older = series_lagged(at.best, step) -%}
    {%- set sql = 'case when ' ~ older ~ ' ' ~ beats ~ ' ' ~ at.best ~ ' then ' ~ older ~ ' else ' ~ at.best ~ ' end' -%}
    {%- set at.size = at.size + step -%}
    {%- set at.best = series_planned(
        plan, name ~ at.size, sql, [at.best], plan.columns[value].start + at.size - 1
    ) -%}
{%- endfor -%}
{{ return(at.best) }}
{%- endmacro %}
