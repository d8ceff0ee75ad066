{% macro series_moving_sum(plan, value, bars) -%}
{#- The blocks of 1, 2, 4, … bars that make up the window, each where it begins. -#}
{%- if plan.lowering == 'windows' -%}
    {{ return(windows_aggregate(plan, value ~ '_moving_sum', 'sum', [value], bars)) }}
{%- endif -%}
{%- set start = series_moving_start(plan, [value], bars) -%}
{%- if bars is number -%}
    {%- set sums = [] -%}
    {%- for part in series_window_blocks(plan, bars) -%}
        {%- do sums.append(series_lagged(plan, series_block_sum(plan, value, part.size), part.offset)) -%}
    {%- endfor -%}
    {#- A power of two is a doubled sum already, but that one has no start of its own. -#}
    {{ return(series_planned(plan, value ~ '_moving_sum_' ~ bars, '(' ~ sums | join(' + ') ~ ')', start)) }}
{%- endif -%}
{%- set at = namespace(total='0.0::double') -%}
{%- for part in series_window_blocks(plan, bars) -%}
    {%- set doubled = series_block_sum(plan, value, part.size) -%}
    {%- set at.total = series_planned(
        plan, value ~ '_moving_sum',
        'case when ' ~ part.condition ~ ' then ' ~ at.total ~ ' + ' ~ series_lagged(plan, doubled, part.offset)
        ~ ' else ' ~ at.total ~ ' end',
        start
    ) -%}
{%- endfor -%}
{{ return(at.total) }}
{%- endmacro %}

{% macro series_moving_mean(plan, value, bars) -%}
{%- set total = series_moving_sum(plan, value, bars) -%}
{{ return(series_planned(plan, value ~ '_mean_' ~ bars, total ~ ' / ' ~ bars)) }}
{%- endmacro %}

{% macro series_weighted_mean(plan, value, bars) -%}
{#- Blocks are merged newest first: with each older block, every newer bar weighs more by its size. -#}
{%- if plan.lowering == 'windows' -%}{{ return(windows_weighted_mean(plan, value, bars)) }}{%- endif -%}
{%- set zero = '0.0::double' -%}
{%- set at = namespace(weighted=zero, total=zero) -%}
{%- for part in series_window_blocks(plan, bars) -%}
    {%- set older_weighted = series_lagged(plan, series_block_weighted_sum(plan, value, part.size), part.offset) -%}
    {%- set older_total = series_lagged(plan, series_block_sum(plan, value, part.size), part.offset) -%}
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

{% macro series_moving_covariance(plan, left, right, bars) -%}
{#- Parts of the window are merged newest first: products and totals of the `count` that are merged. -#}
{%- set name = left ~ '_' ~ right -%}
{%- if plan.lowering == 'windows' -%}
    {{ return(windows_aggregate(plan, name ~ '_covariance', 'covar_pop', [left, right], bars)) }}
{%- endif -%}
{%- set name = name ~ '_' ~ bars -%}
{%- set start = series_moving_start(plan, [left, right], bars) -%}
{%- set zero = '0.0::double' -%}
{%- set at = namespace(products=zero, totals={}, count=0) -%}
{%- for part in series_window_blocks(plan, bars) -%}
    {%- set count = part.offset -%}
    {%- set gaps = [] -%}
    {%- set totals = {} -%}
    {%- for value in [left, right] -%}
        {%- set total = series_block_sum(plan, value, part.size) -%}
        {%- set older = series_lagged(plan, total, part.offset) -%}
        {%- set sofar = at.totals.get(value, zero) -%}
        {%- do gaps.append('(' ~ sofar ~ ' / ' ~ count ~ ' - ' ~ older ~ ' / ' ~ part.size ~ ')') -%}
        {%- do totals.update({value: older if at.count == 0 and part.condition is none else sofar ~ ' + ' ~ older}) -%}
    {%- endfor -%}
    {%- set products = series_block_products(plan, left, right, part.size) -%}
    {%- set of_part = products if products == zero else series_lagged(plan, products, part.offset) -%}
    {%- set share = count ~ ' * ' ~ part.size ~ ' / (' ~ count ~ ' + ' ~ part.size ~ ')' -%}
    {%- set merged = at.products ~ ' + ' ~ of_part ~ ' + ' ~ gaps | join(' * ') ~ ' * (' ~ share ~ ')' -%}
    {%- if part.condition is none -%}
        {%- set products_sql = of_part if at.count == 0 else merged -%}
    {%- else -%}
        {%- set products_sql = 'case when not ' ~ part.condition ~ ' then ' ~ at.products
            ~ ' when ' ~ count ~ ' = 0 then ' ~ of_part ~ ' else ' ~ merged ~ ' end' -%}
    {%- endif -%}
    {%- for value, total in totals.items() -%}
        {%- set total = total if part.condition is none
            else 'case when ' ~ part.condition ~ ' then ' ~ total ~ ' else ' ~ at.totals.get(value, zero) ~ ' end' -%}
        {%- do totals.update({value: series_planned(plan, value ~ '_merged', total, 0)}) -%}
    {%- endfor -%}
    {%- set at.products = series_planned(plan, name ~ '_merged', products_sql, 0) -%}
    {%- set at.totals = totals -%}
    {%- set at.count = at.count + part.size -%}
{%- endfor -%}
{{ return(series_planned(plan, name ~ '_covariance', '(' ~ at.products ~ ') / ' ~ bars, start)) }}
{%- endmacro %}

{% macro series_moving_variance(plan, value, bars) -%}
{{ return(series_moving_covariance(plan, value, value, bars)) }}
{%- endmacro %}

{% macro series_moving_stddev(plan, value, bars) -%}
{%- set variance = series_moving_variance(plan, value, bars) -%}
{{ return(series_planned(plan, value ~ '_stddev_' ~ bars, 'sqrt(' ~ variance ~ ')')) }}
{%- endmacro %}

{% macro series_moving_deviation(plan, value, bars) -%}
{#- The mean absolute deviation from the mean has no blocks: each distance is from this bar's own mean. -#}
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

{% macro series_window_blocks(plan, bars) -%}
{#-
    20 = 4 + 16: the powers of two that make up a window, from the current bar back, each with the
    bars between it and the current bar. Of a parameter it is any of them, each under its condition,
    which DuckDB decides, and prunes by, when it plans.
-#}
{%- set parts = [] -%}
{%- if bars is number -%}
    {%- if bars < 1 or bars >= 2 ** 16 -%}
        {{ series_error(plan, 'a window has 1 to 65535 bars, not ' ~ bars) }}
    {%- endif -%}
    {%- set at = namespace(offset=0, rest=bars) -%}
    {%- for power in range(16) if at.rest > 0 -%}
        {%- if at.rest % 2 == 1 -%}
            {%- do parts.append({'size': 2 ** power, 'offset': at.offset, 'condition': none}) -%}
            {%- set at.offset = at.offset + 2 ** power -%}
        {%- endif -%}
        {%- set at.rest = at.rest // 2 -%}
    {%- endfor -%}
{%- else -%}
    {%- for power in range(11) -%}
        {%- do parts.append({
            'size': 2 ** power,
            'offset': '(' ~ bars ~ ' & ' ~ (2 ** power - 1) ~ ')',
            'condition': bars ~ ' & ' ~ 2 ** power ~ ' > 0',
        }) -%}
    {%- endfor -%}
{%- endif -%}
{{ return(parts) }}
{%- endmacro %}

{% macro series_block_sum(plan, value, size) -%}
{#- The sum of `size` bars, a power of two, is that of its newer half and its older half. -#}
{%- if size == 1 -%}
    {{ return(value) }}
{%- endif -%}
{%- set half = series_block_sum(plan, value, size // 2) -%}
{{ return(series_planned(
    plan, value ~ '_sum_' ~ size, half ~ ' + ' ~ series_lagged(plan, half, size // 2)
)) }}
{%- endmacro %}

{% macro series_block_weighted_sum(plan, value, size) -%}
{#- Weights `size` down to 1 from the newest: the newer half weighs `size / 2` more than its own. -#}
{%- if size == 1 -%}
    {{ return(value) }}
{%- endif -%}
{%- set half = size // 2 -%}
{%- set weighted = series_block_weighted_sum(plan, value, half) -%}
{{ return(series_planned(
    plan, value ~ '_weighted_' ~ size,
    weighted ~ ' + ' ~ half ~ ' * ' ~ series_block_sum(plan, value, half)
    ~ ' + ' ~ series_lagged(plan, weighted, half)
)) }}
{%- endmacro %}

{% macro series_block_products(plan, left, right, size) -%}
{#- Chan's merge: products about the means of both halves, and what their means differ by. -#}
{%- if size == 1 -%}
    {{ return('0.0::double') }}
{%- endif -%}
{%- set half = size // 2 -%}
{%- set products = series_block_products(plan, left, right, half) -%}
{%- set gaps = [] -%}
{%- for value in [left, right] -%}
    {%- set total = series_block_sum(plan, value, half) -%}
    {%- do gaps.append('(' ~ total ~ ' - ' ~ series_lagged(plan, total, half) ~ ')') -%}
{%- endfor -%}
{%- set between = gaps | join(' * ') ~ ' / ' ~ size -%}
{%- set within = [] if size == 2 else [products ~ ' + ' ~ series_lagged(plan, products, half)] -%}
{{ return(series_planned(plan, left ~ '_' ~ right ~ '_products_' ~ size, (within + [between]) | join(' + '))) }}
{%- endmacro %}

{% macro series_moving_start(plan, values, bars) -%}
{#- The first bar at which a window of some values is full. -#}
{%- set starts = [] -%}
{%- for value in values -%}{%- do starts.append(plan.columns[value].start) -%}{%- endfor -%}
{{ return(series_plus(series_latest(starts), series_plus(bars, -1))) }}
{%- endmacro %}

{% macro windows_aggregate(plan, name, aggregate, values, bars) -%}
{#- An aggregate of the last bars, this one included. -#}
{{ return(series_planned(
    plan, name ~ '_' ~ bars,
    aggregate ~ '(' ~ values | join(', ') ~ ') over (partition by symbol, timeframe order by bar_number rows between '
    ~ (bars - 1) ~ ' preceding and current row)',
    series_moving_start(plan, values, bars)
)) }}
{%- endmacro %}

{% macro windows_weighted_mean(plan, value, bars) -%}
{%- set terms = [] -%}
{%- for age in range(bars) -%}{%- do terms.append((bars - age) ~ ' * ' ~ series_lagged(plan, value, age)) -%}{%- endfor -%}
{{ return(series_planned(
    plan, value ~ '_weighted_mean_' ~ bars,
    '(' ~ terms | join(' + ') ~ ') / ' ~ bars * (bars + 1) / 2,
    series_moving_start(plan, [value], bars)
)) }}
{%- endmacro %}
