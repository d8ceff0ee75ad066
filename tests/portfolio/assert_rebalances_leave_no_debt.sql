-- A rebalance sets weights of more than the whole portfolio: it would have to borrow, and no loan
-- costs anything here.
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
