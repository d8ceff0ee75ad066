with

estimates as (
    select * from {{ ref('risk__var_estimates') }}
    where horizon_sessions = 1
),

returns as (
    select * from {{ ref('portfolio__returns') }}
),

periods as (
    select * from {{ ref('var_periods') }}
),

tested as (
    select
        portfolio,
        session_date,
        periods.period,
        estimates.method,
        estimates.confidence,
        estimates.lookback_sessions,
        -returns.gross_return as loss_return,
        estimates.var_return,
        estimates.es_return,
        -returns.gross_return > estimates.var_return as is_exceedance
    from estimates
    inner join returns using (portfolio, session_date)
    inner join periods
        on session_date >= coalesce(periods.first_date, session_date)
            and session_date <= coalesce(periods.last_date, session_date)
),

-- a session without an estimate or a return stays here, so that the next one sees the gap
numbered as (
    select
        portfolio,
        session_date,
        period,
        method,
        confidence,
        lookback_sessions,
        loss_return,
        var_return,
        es_return,
        is_exceedance,
        lag(is_exceedance) over by_session as is_after_exceedance,
        count(is_exceedance) over (
            partition by portfolio, period, method, confidence, lookback_sessions
            order by session_date desc
        ) as sessions_to_end
    from tested
    window
        by_session as (
            partition by portfolio, period, method, confidence, lookback_sessions
            order by session_date
        )
),

final as (
    select * from numbered
    where is_exceedance is not null
)

select * from final
