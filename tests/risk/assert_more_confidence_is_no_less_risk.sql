-- VaR or expected shortfall falls when confidence rises: that of 99% is below that of 95%. Two
-- estimates that lie between the same two returns are equal up to rounding.
{%- set tolerance = 1e-12 %}

with

estimates as (
    select * from {{ ref('risk__var_estimates') }}
),

pairs as (
    select
        portfolio,
        session_date,
        method,
        confidence,
        horizon_sessions,
        lookback_sessions,
        var_return,
        es_return,
        lag(var_return) over by_confidence as lower_var_return,
        lag(es_return) over by_confidence as lower_es_return
    from estimates
    window
        by_confidence as (
            partition by portfolio, session_date, method, horizon_sessions, lookback_sessions
            order by confidence
        )
)

select * from pairs
where
    var_return < lower_var_return - {{ tolerance }} * greatest(1, abs(lower_var_return))
    or es_return < lower_es_return - {{ tolerance }} * greatest(1, abs(lower_es_return))
