-- The weights of a rebalance add up to more than 1. The portfolio would have to borrow, and
-- borrowing has no cost here.
{%- set tolerance = 1e-9 %}

with

targets as (
    select * from {{ ref('portfolio_weights') }}
)

select
    portfolio,
    effective_from,
    sum(weight) as total_weight
from targets
group by portfolio, effective_from
having sum(weight) > 1 + {{ tolerance }}
