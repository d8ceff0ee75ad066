{% macro streaming__series_faded_sum(plan, value, name, decay, decay_number) -%}
{#- Doubling stops where a value has faded below 1e-16; of a parameter at 32,768 bars at the latest. -#}
{%- set at = namespace(column=value, size=1) -%}
{%- for _ in range(20 if decay_number is not none else 15)
    if decay_number is none or decay_number ** at.size >= 1e-16 -%}
    {%- set weight = 'pow(' ~ decay ~ ', ' ~ at.size ~ ')' -%}
    {%- set sql = at.column ~ ' + ' ~ weight ~ ' * case when bar_number >= ' ~ at.size ~ ' then '
        ~ series_lagged(plan, at.column, at.size) ~ ' else 0.0 end' -%}
    {%- set sql = sql if decay_number is not none
        else 'case when ' ~ weight ~ ' < 1e-16 then ' ~ at.column ~ ' else ' ~ sql ~ ' end' -%}
    {%- set at.size = at.size * 2 -%}
    {%- set at.column = series_planned(plan, name ~ '_' ~ at.size, sql, 0) -%}
{%- endfor -%}
{%- if decay_number is none -%}
    {{ return(series_planned(
        plan, name ~ '_checked',
        'case when pow(' ~ decay ~ ', ' ~ at.size ~ ') > 1e-12 then error(\'the period is too long: its average remembers more than 32,768 bars\') else ' ~ at.column ~ ' end',
        0
    )) }}
{%- endif -%}
{{ return(at.column) }}
{%- endmacro %}

{% macro windows__series_faded_sum(plan, value, name, decay, decay_number) -%}
{#-
    In blocks so long that nothing of the block before the last is left: the sum within the block, and
    what the last block had come to. The weights within a block stay below 1e17.
-#}
{%- if decay_number == 0 -%}
    {{ return(value) }}
{%- endif -%}
{%- set at = namespace(size=1) -%}
{%- for _ in range(20) if decay_number ** at.size >= 1e-17 -%}{%- set at.size = at.size * 2 -%}{%- endfor -%}
{%- set offset = series_planned(plan, name ~ '_offset', 'mod(bar_number, ' ~ at.size ~ ')', 0) -%}
{%- set block = series_planned(plan, name ~ '_block', 'bar_number - ' ~ offset, 0) -%}
{%- set within = series_planned(
    plan, name ~ '_within',
    'pow(' ~ decay ~ ', ' ~ offset ~ ') * sum(' ~ value ~ ' * pow(' ~ decay ~ ', -' ~ offset ~ ')) over (partition by symbol, timeframe, ' ~ block ~ ' order by bar_number rows unbounded preceding)',
    0
) -%}
{%- set before = series_planned(
    plan, name ~ '_before',
    'max(case when ' ~ offset ~ ' = ' ~ (at.size - 1) ~ ' then ' ~ within ~ ' end) over (partition by symbol, timeframe order by ' ~ block ~ ' range between ' ~ at.size ~ ' preceding and ' ~ at.size ~ ' preceding)',
    0
) -%}
{{ return(series_planned(
    plan, name ~ '_sum', within ~ ' + pow(' ~ decay ~ ', ' ~ offset ~ ' + 1) * coalesce(' ~ before ~ ', 0.0)', 0
)) }}
{%- endmacro %}
