with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
),

lookbacks as (
    select distinct
        horizon_sessions,
        lookback_sessions
    from {{ ref('var_settings') }}
    where method in ('normal', 'student_t', 'cornish_fisher')
),

past_returns as (
    select
        returns.portfolio,
        returns.session_date,
        horizon_sessions,
        lookbacks.lookback_sessions,
        {{ in_full_lookback('list', 'horizon_return') }} as horizon_returns
    from returns
    inner join lookbacks using (horizon_sessions)
),

final as (
    select
        portfolio,
        session_date,
        horizon_sessions,
        lookback_sessions,
        list_avg(horizon_returns) as mean,
        list_stddev_samp(horizon_returns) as deviation,
        -- DuckDB has only the skewness that is corrected for the sample; this takes the correction
        -- out
        list_skewness(horizon_returns) * (lookback_sessions - 2)
        / sqrt(lookback_sessions * (lookback_sessions - 1)) as skewness,
        list_kurtosis_pop(horizon_returns) as excess_kurtosis
    from past_returns
)

select * from final
order by portfolio, horizon_sessions, lookback_sessions, session_date
