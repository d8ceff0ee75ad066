with

moments as (
    select * from {{ ref('risk__moments') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'normal'
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

final as (
    select
        moments.portfolio,
        moments.session_date,
        scores.method,
        scores.confidence,
        horizon_sessions,
        lookback_sessions,
        {{ horizon_scaling('overlapping') }} as scaling,
        scores.score * moments.deviation - moments.mean as var_return,
        moments.deviation * {{ normal_density('scores.score') }} / (1 - scores.confidence)
        - moments.mean as es_return
    from moments
    inner join scores using (horizon_sessions, lookback_sessions)
)

select * from final
