with

volatilities as (
    select * from {{ ref('risk__ewma_volatilities') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'ewma'
),

scores as (
    select
        method,
        confidence,
        horizon_sessions,
        lookback_sessions,
        {{ normal_quantile('confidence') }} as score
    from settings
),

deviations as (
    select
        volatilities.portfolio,
        volatilities.session_date,
        scores.method,
        scores.confidence,
        scores.horizon_sessions,
        lookback_sessions,
        scores.score,
        volatilities.daily_volatility * sqrt(scores.horizon_sessions) as deviation
    from volatilities
    inner join scores using (lookback_sessions)
),

final as (
    select
        portfolio,
        session_date,
        method,
        confidence,
        horizon_sessions,
        lookback_sessions,
        {{ horizon_scaling('sqrt_time') }} as scaling,
        score * deviation as var_return,
        deviation * {{ normal_density('score') }} / (1 - confidence) as es_return
    from deviations
)

select * from final
