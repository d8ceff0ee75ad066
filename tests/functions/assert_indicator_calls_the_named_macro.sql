-- `indicator()` does not return the indicator that it was called with, or uses other periods. The
-- name and the symbol are literals, because a query's text cannot be built from rows.
-- depends_on: {{ ref('serving__indicator_catalog') }}
{%- set latest_bars = ref('serving__latest_bars') %}
{%- set first = "select min(symbol) from " ~ latest_bars ~ " where timeframe = '1d'" %}
{%- set symbol = run_query(first).columns[0].values()[0]
    if execute and load_relation(latest_bars) else none %}
{%- if execute and not symbol %}
select null as bar_ts where false
{%- else %}
{%- set symbol = dbt.string_literal(symbol or '') %}
with

momentum as (
    select
        bar_ts,
        rsi_14
    from {{ ref('indicators__momentum') }}
    where symbol = {{ symbol }} and timeframe = '1d'
),

called as (
    select
        bar_ts,
        rsi
    from {{ function('indicator') }}('rsi', {{ symbol }}, '1d')
),

called_with_fourteen as (
    select
        bar_ts,
        rsi
    from {{ function('indicator') }}('rsi', {{ symbol }}, '1d', 14)
),

called_with_five as (
    select
        bar_ts,
        rsi
    from {{ function('indicator') }}('rsi', {{ symbol }}, '1d', [5])
)

select bar_ts
from called
left join called_with_fourteen using (bar_ts)
left join momentum using (bar_ts)
where
    called.rsi is distinct from called_with_fourteen.rsi
    or abs(called.rsi - momentum.rsi_14) > 1e-9
union all
-- an average of five bars is known nine bars before one of fourteen
select bar_ts
from called
inner join called_with_five using (bar_ts)
group by all
having count(*) > 1
union all
select max(called.bar_ts) as bar_ts
from called
inner join called_with_five using (bar_ts)
having
    count(called_with_five.rsi) - count(called.rsi)
    <> greatest(0, least(9, count(*) - 5))
{%- endif %}
