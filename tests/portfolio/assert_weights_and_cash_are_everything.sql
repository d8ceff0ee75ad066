-- Weights and cash do not add up to 1: some money would earn nothing, or earn twice.
{%- set tolerance = 1e-9 %}

with

weights as (
    select * from {{ ref('portfolio__weights') }}
),

returns as (
    select * from {{ ref('portfolio__returns') }}
),

held as (
    select
        portfolio,
        session_date,
        sum(weight) as held_weight
    from weights
    group by portfolio, session_date
),

-- an account that has lost everything has no weights, not even for cash
lost as (
    select
        portfolio,
        session_date
    from {{ ref('portfolio__accounts') }}
    where opening_equity_amount <= 0
)

select
    portfolio,
    session_date,
    held.held_weight,
    returns.cash_weight
from returns
left join held using (portfolio, session_date)
anti join lost using (portfolio, session_date)
where
    coalesce(abs(coalesce(held.held_weight, 0) + returns.cash_weight - 1), 1) > {{ tolerance }}
