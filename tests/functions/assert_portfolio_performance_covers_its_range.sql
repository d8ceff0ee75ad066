-- `portfolio_performance` does not cover the sessions from the first to the last that it was called
-- with, both included; or, without any, it differs from the stored performance.
{%- set equity = ref('portfolio__equity') %}
{%- set portfolio %}(select min(portfolio) from {{ equity }}){% endset %}
{%- set first_session_date %}(
    select quantile_disc(session_date, 0.25) from {{ equity }} where portfolio = {{ portfolio }}
){% endset %}
{%- set last_session_date %}(
    select quantile_disc(session_date, 0.75) from {{ equity }} where portfolio = {{ portfolio }}
){% endset %}

with

performance as (
    select * from {{ ref('portfolio__performance') }}
    where portfolio = {{ portfolio }}
),

called as (
    select * from {{ function('portfolio_performance') }}({{ portfolio }})
),

called_for_range as (
    select *
    from {{ function('portfolio_performance') }}(
        {{ portfolio }}, {{ first_session_date }}, {{ last_session_date }}
    )
),

ranges as (
    select
        basis,
        min(session_date) as first_session_date,
        max(session_date) as last_session_date,
        count(*) as session_count
    from {{ equity }}
    where
        portfolio = {{ portfolio }}
        and session_date between {{ first_session_date }} and {{ last_session_date }}
    group by basis
)

select performance.basis
from performance
full join called using (basis)
where
    (performance.first_session_date, performance.last_session_date, performance.session_count)
    is distinct from (called.first_session_date, called.last_session_date, called.session_count)
    or abs(performance.cumulative_return - called.cumulative_return) > 1e-9
union all
select ranges.basis
from ranges
full join called_for_range using (basis)
where
    (ranges.first_session_date, ranges.last_session_date, ranges.session_count)
    is distinct from (
        called_for_range.first_session_date,
        called_for_range.last_session_date,
        called_for_range.session_count
    )
