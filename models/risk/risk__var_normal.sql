with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
),

settings as (
    select * from {{ ref('var_settings') }}
),

lookbacks as (
    select distinct
        horizon_days,
        lookback_days
    from settings
),

moments as (
    select
        returns.portfolio,
        returns.session_date,
        horizon_days,
        lookbacks.lookback_days,
        {{ in_full_lookback('avg', 'horizon_return') }} as mean,
        {{ in_full_lookback('stddev_samp', 'horizon_return') }} as deviation
    from returns
    inner join lookbacks using (horizon_days)
),

scores as (
    select
        confidence,
        horizon_days,
        lookback_days,
        {{ normal_quantile('confidence') }} as score
    from settings
),

final as (
    select
        moments.portfolio,
        moments.session_date,
        'normal' as method,
        scores.confidence,
        horizon_days,
        lookback_days,
        scores.score * moments.deviation - moments.mean as var_return,
        moments.deviation * {{ normal_density('scores.score') }} / (1 - scores.confidence)
        - moments.mean as es_return
    from moments
    inner join scores using (horizon_days, lookback_days)
)

select * from final
