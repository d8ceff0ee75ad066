-- The loss in a scenario is NULL without a missing symbol, or has a value despite one; or it is not
-- the sum of the losses of the holdings.
{%- set tolerance = 1e-12 %}

with

stress as (
    select * from {{ ref('risk__stress') }}
),

symbols as (
    select * from {{ ref('risk__stress_symbols') }}
),

sums as (
    select
        portfolio,
        scenario,
        count(*) filter (where loss_return is null) as missing_count,
        sum(loss_return) as loss_return
    from symbols
    group by portfolio, scenario
)

select
    portfolio,
    scenario
from sums
full outer join stress using (portfolio, scenario)
where
    (stress.loss_return is null) != (sums.missing_count > 0)
    or (stress.loss_return is null) != (stress.missing_symbols is not null)
    or abs(stress.loss_return - sums.loss_return) > {{ tolerance }}
    or stress.portfolio is null
    or sums.portfolio is null
