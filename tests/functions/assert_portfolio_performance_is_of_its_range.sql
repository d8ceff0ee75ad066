-- A performance that is asked for is not of the sessions from the first to the last that were named,
-- both counted; or, with none named, not the one that is stored.
{%- set equity = ref('portfolio__equity') %}
{%- set portfolio %}(select min(portfolio) from {{ equity }}){% endset %}
{%- set first_session %}(
    select quantile_disc(session_date, 0.25) from {{ equity }} where portfolio = {{ portfolio }}
){% endset %}
{%- set last_session %}(
    select quantile_disc(session_date, 0.75) from {{ equity }} where portfolio = {{ portfolio }}
){% endset %}

with

performance as (
    select * from {{ ref('portfolio__performance') }}
    where portfolio = {{ portfolio }}
),

asked as (
    select * from {{ function('portfolio_performance') }}({{ portfolio }})
),

asked_of_range as (
    select *
    from {{ function('portfolio_performance') }}(
        {{ portfolio }}, {{ first_session }}, {{ last_session }}
    )
),

ranges as (
    select
        basis,
        min(session_date) as first_session,
        max(session_date) as last_session,
        count(*) as session_count
    from {{ equity }}
    where
        portfolio = {{ portfolio }}
        and session_date between {{ first_session }} and {{ last_session }}
    group by basis
)

select performance.basis
from performance
full join asked using (basis)
where
    (performance.first_session, performance.last_session, performance.session_count)
    is distinct from (asked.first_session, asked.last_session, asked.session_count)
    or abs(performance.cumulative_return - asked.cumulative_return) > 1e-9
union all
select ranges.basis
from ranges
full join asked_of_range using (basis)
where
    (ranges.first_session, ranges.last_session, ranges.session_count)
    is distinct from (
        asked_of_range.first_session, asked_of_range.last_session, asked_of_range.session_count
    )
