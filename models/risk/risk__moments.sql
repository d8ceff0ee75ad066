with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
),

lookbacks as (
    select distinct
        horizon_days,
        lookback_days
    from {{ ref('var_settings') }}
    where method in ('normal', 'student_t', 'cornish_fisher')
),

past_returns as (
    select
        returns.portfolio,
        returns.session_date,
        horizon_days,
        lookbacks.lookback_days,
        {{ in_full_lookback('list', 'horizon_return') }} as horizon_returns
    from returns
    inner join lookbacks using (horizon_days)
),

final as (
    select
        portfolio,
        session_date,
        horizon_days,
        lookback_days,
        list_avg(horizon_returns) as mean,
        list_stddev_samp(horizon_returns) as deviation,
        -- DuckDB has only the skewness that is corrected for the sample; this takes the correction
        -- out
        list_skewness(horizon_returns) * (lookback_days - 2)
        / sqrt(lookback_days * (lookback_days - 1)) as skewness,
        list_kurtosis_pop(horizon_returns) as excess_kurtosis
    from past_returns
)

select * from final
order by portfolio, horizon_days, lookback_days, session_date
