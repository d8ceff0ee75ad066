{% macro series_moving_stddev(plan, value, bars) -%}
{#- Parts of the window are merged newest first: (squares, total, count) of what is merged so far. -#}
{%- set at = namespace(spread=none, total=none, count=0) -%}
{%- for part in series_powers(bars) -%}
    {%- set total = series_doubled_sum(plan, value, part.size) -%}
    {%- set spread = series_doubled_spread(plan, value, part.size) -%}
    {%- if at.total is none -%}
        {%- set at.spread = spread -%}
        {%- set at.total = total -%}
    {%- else -%}
        {%- set terms = [] if at.spread is none else [at.spread] -%}
        {%- if spread is not none -%}{%- do terms.append(series_lagged(spread, part.offset)) -%}{%- endif -%}
        {%- do terms.append(
            'pow(' ~ at.total ~ ' / ' ~ at.count ~ ' - ' ~ series_lagged(total, part.offset) ~ ' / ' ~ part.size
            ~ ', 2) * ' ~ at.count * part.size ~ ' / ' ~ (at.count + part.size)
        ) -%}
        {%- set reads = [at.spread, spread, at.total, total] | reject('none') | unique | list -%}
        {%- set merged = value ~ '_merged_' ~ (at.count + part.size) -%}
        {%- set at.spread = series_planned(plan, merged ~ '_spread', terms | join(' + '), reads) -%}
        {%- set at.total = series_planned(
            plan, merged ~ '_total', at.total ~ ' + ' ~ series_lagged(total, part.offset), [at.total, total]
        ) -%}
    {%- endif -%}
    {%- set at.count = at.count + part.size -%}
{%- endfor -%}
{%- set start = plan.columns[value].start + bars - 1 -%}
{{ return(series_planned(
    plan, value ~ '_stddev_' ~ bars, 'sqrt(' ~ at.spread ~ ' / ' ~ bars ~ ')', [at.spread], start
)) }}
{%- endmacro %}
