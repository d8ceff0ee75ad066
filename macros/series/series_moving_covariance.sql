{% macro streaming__series_moving_covariance(plan, left, right, bars) -%}
{#- Parts of the window are merged newest first: products and totals of the `count` merged so far. -#}
{%- set name = left ~ '_' ~ right ~ '_' ~ bars -%}
{%- set start = series_moving_start(plan, [left, right], bars) -%}
{%- set zero = '0.0::double' -%}
{%- set at = namespace(products=zero, totals={}, count=0) -%}
{%- for part in series_powers(bars) -%}
    {%- set count = part.offset -%}
    {%- set gaps = [] -%}
    {%- set totals = {} -%}
    {%- for value in [left, right] -%}
        {%- set total = series_doubled_sum(plan, value, part.size) -%}
        {%- set older = series_lagged(plan, total, part.offset) -%}
        {%- set sofar = at.totals.get(value, zero) -%}
        {%- do gaps.append('(' ~ sofar ~ ' / ' ~ count ~ ' - ' ~ older ~ ' / ' ~ part.size ~ ')') -%}
        {%- do totals.update({value: older if at.count == 0 and part.condition is none else sofar ~ ' + ' ~ older}) -%}
    {%- endfor -%}
    {%- set products = series_doubled_products(plan, left, right, part.size) -%}
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

{% macro windows__series_moving_covariance(plan, left, right, bars) -%}
{{ return(series_planned(
    plan, left ~ '_' ~ right ~ '_covariance_' ~ bars,
    'covar_pop(' ~ left ~ ', ' ~ right ~ ') ' ~ series_frame(bars),
    series_moving_start(plan, [left, right], bars)
)) }}
{%- endmacro %}
