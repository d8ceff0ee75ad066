-- An indicator that is asked for by its name in a text is not the one that its own macro answers,
-- or of other periods. The name and the symbol are in the text, as a query's text must not be made
-- of rows; a warehouse without the symbol has nothing to compare.
-- depends_on: {{ ref('serving__indicator_catalogue') }}
with

momentum as (
    select
        bar_ts,
        rsi_14
    from {{ ref('indicators__momentum') }}
    where symbol = 'AAPL' and timeframe = '1d'
),

asked as (
    select
        bar_ts,
        rsi
    from {{ function('indicator') }}('rsi', 'AAPL', '1d')
),

asked_of_fourteen as (
    select
        bar_ts,
        rsi
    from {{ function('indicator') }}('rsi', 'AAPL', '1d', 14)
),

asked_of_five as (
    select
        bar_ts,
        rsi
    from {{ function('indicator') }}('rsi', 'AAPL', '1d', [5])
)

select bar_ts
from asked
left join asked_of_fourteen using (bar_ts)
left join momentum using (bar_ts)
where
    asked.rsi is distinct from asked_of_fourteen.rsi
    or abs(asked.rsi - momentum.rsi_14) > 1e-9
union all
-- an average of five bars is there nine bars before one of fourteen
select bar_ts
from asked
inner join asked_of_five using (bar_ts)
group by all
having count(*) > 1
union all
select max(asked.bar_ts) as bar_ts
from asked
inner join asked_of_five using (bar_ts)
having count(asked_of_five.rsi) - count(asked.rsi) not in (0, 9)
or (count(*) > 14 and count(asked_of_five.rsi) = count(asked.rsi))
