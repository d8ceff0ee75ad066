-- The weights of a rebalance add up to more than 1. The portfolio would have to borrow, and
-- borrowing has no cost here.
{%- set tolerance = 1e-9 %}

with

targets as (
    select
        portfolio,
        effective_from,
        weight,
        rowid + 2 as line_number
    from {{ ref('portfolio_weights') }}
)

select
    format(
        'seeds/reference/portfolio_weights.csv:{}: the weights of {} from {} add up to {}, above 1',
        min(line_number),
        portfolio,
        effective_from,
        round(sum(weight), 6)
    ) as problem
from targets
group by portfolio, effective_from
having sum(weight) > 1 + {{ tolerance }}
