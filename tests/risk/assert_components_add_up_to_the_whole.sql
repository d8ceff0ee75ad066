-- The component VaRs of the symbols do not add up to the portfolio's value at risk.
{%- set tolerance = 1e-12 %}

with

components as (
    select * from {{ ref('risk__component_var') }}
),

sums as (
    select
        portfolio,
        method,
        confidence,
        lookback_sessions,
        any_value(var_return) as var_return,
        sum(component_var_return) as component_sum,
        count(component_var_return) filter (where weight != 0) as return_count,
        count(*) filter (where weight != 0) as held_count
    from components
    group by portfolio, method, confidence, lookback_sessions
)

select * from sums
where
    abs(component_sum - var_return) > {{ tolerance }} * greatest(1, abs(var_return))
    or (return_count != held_count and var_return is not null and var_return != 0)
