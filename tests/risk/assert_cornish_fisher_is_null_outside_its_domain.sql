-- An estimate is flagged as outside its domain although it is not NULL or its method has no domain.
-- Or it is NULL inside the domain although the normal method has an estimate from the same returns.
with

estimates as (
    select * from {{ ref('risk__var_estimates') }}
),

normal as (
    select
        *,
        'cornish_fisher' as other_method
    from estimates
    where method = 'normal'
),

flagged as (
    select estimates.*
    from estimates
    where
        estimates.is_outside_domain
        and (
            estimates.var_return is not null
            or estimates.es_return is not null
            or estimates.method != 'cornish_fisher'
        )
),

unflagged as (
    select estimates.*
    from estimates
    inner join normal
        on estimates.portfolio = normal.portfolio
            and estimates.session_date = normal.session_date
            and estimates.method = normal.other_method
            and estimates.confidence = normal.confidence
            and estimates.horizon_sessions = normal.horizon_sessions
            and estimates.lookback_sessions = normal.lookback_sessions
    where
        estimates.is_outside_domain
        = (estimates.var_return is not null or normal.var_return is null)
)

select * from flagged
union all
select * from unflagged
