{% macro series_moving_max(plan, value, bars) -%}
{%- set name = value ~ '_moving_max' -%}
{%- if plan.lowering == 'windows' -%}{{ return(windows_aggregate(plan, name, 'max', [value], bars)) }}{%- endif -%}
{%- set found = series_extreme(plan, value, bars, '>') -%}
{{ return(series_planned(plan, name ~ '_' ~ bars, '(' ~ found.best ~ ')', found.start)) }}
{%- endmacro %}

{% macro series_moving_min(plan, value, bars) -%}
{%- set name = value ~ '_moving_min' -%}
{%- if plan.lowering == 'windows' -%}{{ return(windows_aggregate(plan, name, 'min', [value], bars)) }}{%- endif -%}
{%- set found = series_extreme(plan, value, bars, '<') -%}
{{ return(series_planned(plan, name ~ '_' ~ bars, '(' ~ found.best ~ ')', found.start)) }}
{%- endmacro %}

{% macro series_bars_since_max(plan, value, bars) -%}
{%- if plan.lowering == 'windows' -%}
    {{ return(windows_age(plan, value, series_moving_max(plan, value, bars), bars)) }}
{%- endif -%}
{%- set found = series_extreme(plan, value, bars, '>') -%}
{{ return(series_planned(plan, value ~ '_since_max_' ~ bars, '(' ~ found.age ~ ')', found.start)) }}
{%- endmacro %}

{% macro series_bars_since_min(plan, value, bars) -%}
{%- if plan.lowering == 'windows' -%}
    {{ return(windows_age(plan, value, series_moving_min(plan, value, bars), bars)) }}
{%- endif -%}
{%- set found = series_extreme(plan, value, bars, '<') -%}
{{ return(series_planned(plan, value ~ '_since_min_' ~ bars, '(' ~ found.age ~ ')', found.start)) }}
{%- endmacro %}

{% macro series_extreme(plan, value, bars, beats) -%}
{#-
    The best of `size` bars, then of twice as many; the last two may overlap. Returned with its age:
    the newest of equals, since an older one must be better.
-#}
{%- set name = value ~ ('_max_' if beats == '>' else '_min_') -%}
{%- set start = plan.columns[value].start -%}
{%- set at = namespace(best=value, age='0', size=1) -%}
{%- set sizes = [] -%}
{%- if bars is number -%}
    {%- for _ in range(16) if at.size < bars -%}
        {%- set step = [at.size, bars - at.size] | min -%}
        {%- set at.size = at.size + step -%}
        {%- do sizes.append({'step': step, 'size': at.size, 'condition': none}) -%}
    {%- endfor -%}
{%- else -%}
    {#- Of a parameter: doubled while it fits in, then once more by what is left. -#}
    {%- for power in range(11) -%}
        {%- do sizes.append({
            'step': 'least(' ~ 2 ** power ~ ', ' ~ bars ~ ' - ' ~ 2 ** power ~ ')',
            'size': 'p_' ~ 2 ** (power + 1),
            'condition': bars ~ ' > ' ~ 2 ** power,
        }) -%}
    {%- endfor -%}
{%- endif -%}
{%- for reach in sizes -%}
    {%- set step = reach.step if reach.condition is none else 'greatest(' ~ reach.step ~ ', 0)' -%}
    {%- set older = series_lagged(plan, at.best, step) -%}
    {%- set wins = older ~ ' ' ~ beats ~ ' ' ~ at.best -%}
    {%- set wins = wins if reach.condition is none else reach.condition ~ ' and ' ~ wins -%}
    {%- set known = start + reach.size - 1 if start is number and bars is number else 0 -%}
    {%- set older_age = '0' if at.age == '0' else series_lagged(plan, at.age, step) -%}
    {%- set age = series_planned(
        plan, name ~ 'age_' ~ reach.size,
        'case when ' ~ wins ~ ' then ' ~ older_age ~ ' + ' ~ step ~ ' else ' ~ at.age ~ ' end', known
    ) -%}
    {%- set at.best = series_planned(
        plan, name ~ reach.size, 'case when ' ~ wins ~ ' then ' ~ older ~ ' else ' ~ at.best ~ ' end', known
    ) -%}
    {%- set at.age = age -%}
{%- endfor -%}
{{ return({'best': at.best, 'age': at.age, 'start': series_moving_start(plan, [value], bars)}) }}
{%- endmacro %}

{% macro windows_age(plan, value, extreme, bars) -%}
{#- The age of an extreme: is it this bar, or the one before, or … -#}
{%- set cases = [] -%}
{%- for age in range(bars) -%}
    {%- do cases.append('when ' ~ series_lagged(plan, value, age) ~ ' = ' ~ extreme ~ ' then ' ~ age) -%}
{%- endfor -%}
{{ return(series_planned(
    plan, extreme ~ '_age', 'case ' ~ cases | join(' ') ~ ' end', plan.columns[extreme].start
)) }}
{%- endmacro %}
