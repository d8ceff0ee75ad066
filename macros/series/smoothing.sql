{% macro series_ema(plan, value, bars, first_bar=none) -%}
{#- alpha = 2 / (n + 1) -#}
{{ return(series_smoothed(
    plan, value, 'ema', bars, '2.0::double / (' ~ bars ~ ' + 1)',
    1 - 2 / (bars + 1) if bars is number else none, first_bar
)) }}
{%- endmacro %}

{% macro series_wilder(plan, value, bars) -%}
{#- alpha = 1 / n -#}
{{ return(series_smoothed(
    plan, value, 'wilder', bars, '1.0::double / ' ~ bars, 1 - 1 / bars if bars is number else none
)) }}
{%- endmacro %}

{% macro series_wilder_sum(plan, value, bars) -%}
{#- TA-Lib starts from the sum of one value fewer than the average covers, and shows it a bar later. -#}
{%- set start = plan.columns[value].start -%}
{%- set name = value ~ '_wilder_sum_' ~ bars -%}
{%- set to_bar = series_plus(start, series_plus(bars, -2)) -%}
{%- set total = series_exponentially_weighted(
    plan, value, name ~ '_early', start, to_bar, '1.0::double', '1.0::double',
    '(1 - 1.0::double / ' ~ bars ~ ')', 1 - 1 / bars if bars is number else none
) -%}
{{ return(series_planned(plan, name, '(' ~ total ~ ')', series_plus(to_bar, 1))) }}
{%- endmacro %}

{% macro series_smoothed(plan, value, name, bars, alpha, decay_number, first_bar=none) -%}
{#-
    y = y + alpha * (x - y). The starting value is the mean of the first `bars` values, or of those up
    to a bar.
-#}
{%- set start = plan.columns[value].start -%}
{%- set to_bar = series_plus(start, series_plus(bars, -1)) if first_bar is none else first_bar -%}
{%- set from_bar = start -%}
{%- if first_bar is not none -%}
    {%- set from_bar = to_bar - bars + 1 if to_bar is number and bars is number
        else '(' ~ to_bar ~ ' - ' ~ bars ~ ' + 1)' -%}
{%- endif -%}
{{ return(series_exponentially_weighted(
    plan, value, value ~ '_' ~ name ~ '_' ~ bars ~ ('' if first_bar is none else '_from_' ~ first_bar),
    from_bar, to_bar, '(1.0::double / ' ~ bars ~ ')', '(' ~ alpha ~ ')', '(1 - ' ~ alpha ~ ')', decay_number
)) }}
{%- endmacro %}

{% macro series_exponentially_weighted(plan, value, name, from_bar, to_bar, starting_weight, weight, decay, decay_number) -%}
{#-
    y = decay * y of the bar before + weight * value, from the bar after `to_bar` on. The starting
    value, `starting_weight` times the sum of the values from `from_bar` to `to_bar`, is laid into
    those bars themselves, so it needs no pass of its own. `decay_number` is none where it is a
    parameter's.
-#}
{%- set weighted -%}
case when bar_number > {{ to_bar }} then {{ weight }} * {{ value }} when bar_number >= {{ from_bar }} then {{ starting_weight }} * {{ value }} * pow({{ decay }}, bar_number - {{ to_bar }}) else 0.0::double end
{%- endset -%}
{%- set total = series_exponential_sum(plan, series_planned(plan, name ~ '_1', weighted, 0), name, decay, decay_number) -%}
{{ return(series_planned(plan, name, '(' ~ total ~ ')', to_bar)) }}
{%- endmacro %}

{% macro series_exponential_sum(plan, value, name, decay, decay_number) -%}
{#-
    The sum of values that each weigh `decay` times as much a bar later, by doubling: 2 bars, 4, 8, …
    It stops where a value weighs less than 1e-16; of a parameter at 32,768 bars at the latest.
-#}
{%- if plan.lowering == 'windows' -%}
    {{ return(windows_exponential_sum(plan, value, name, decay, decay_number)) }}
{%- endif -%}
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

{% macro windows_exponential_sum(plan, value, name, decay, decay_number) -%}
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

{% macro series_affine(plan, factor, addend, first_value) -%}
{#-
    y = factor * y before + addend. Two bars in a row are again one factor and one addend; the first
    bar's factor is 0, so nothing reaches a series from the one before it. A product of 8,192 factors
    counts as nothing.
-#}
{%- set start = series_latest([plan.columns[factor].start, plan.columns[addend].start]) -%}
{%- set name = factor ~ '_' ~ addend ~ '_affine' -%}
{%- set at = namespace(size=1) -%}
{%- set at.factor = series_planned(
    plan, name ~ '_factor', 'case when bar_number > ' ~ start ~ ' then ' ~ factor ~ ' else 0.0 end', 0
) -%}
{%- set at.addend = series_planned(
    plan, name ~ '_addend',
    'case when bar_number > ' ~ start ~ ' then ' ~ addend ~ ' when bar_number = ' ~ start ~ ' then '
    ~ addend ~ ' + ' ~ factor ~ ' * ' ~ series_lagged(plan, first_value, 1) ~ ' else 0.0 end',
    0
) -%}
{%- for _ in range(13) -%}
    {%- set reaches = 'case when bar_number >= ' ~ at.size ~ ' then ' -%}
    {%- set addend = series_planned(
        plan, name ~ '_addend_' ~ at.size * 2,
        reaches ~ at.addend ~ ' + ' ~ at.factor ~ ' * ' ~ series_lagged(plan, at.addend, at.size)
        ~ ' else ' ~ at.addend ~ ' end',
        0
    ) -%}
    {%- set at.factor = series_planned(
        plan, name ~ '_factor_' ~ at.size * 2,
        reaches ~ at.factor ~ ' * ' ~ series_lagged(plan, at.factor, at.size) ~ ' else 0.0 end', 0
    ) -%}
    {%- set at.addend = addend -%}
    {%- set at.size = at.size * 2 -%}
{%- endfor -%}
{{ return(series_planned(plan, name, '(' ~ at.addend ~ ')', start)) }}
{%- endmacro %}
