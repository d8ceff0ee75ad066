with

moments as (
    select * from {{ ref('risk__moments') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'cornish_fisher'
),

-- returns that never change have no skewness or kurtosis; 0 keeps their estimate available
shapes as (
    select
        portfolio,
        session_date,
        horizon_sessions,
        lookback_sessions,
        mean,
        deviation * sqrt((lookback_sessions - 1) / lookback_sessions) as deviation,
        if(deviation = 0, 0, skewness) as skewness,
        if(deviation = 0, 0, excess_kurtosis) as kurtosis
    from moments
),

-- if a higher confidence could give a smaller loss, the expansion is not a quantile function
domains as (
    select
        *,
        {{ cornish_fisher_is_monotone('skewness', 'kurtosis') }} as is_in_domain
    from shapes
),

scores as (
    select
        method,
        confidence,
        horizon_sessions,
        lookback_sessions,
        -{{ normal_quantile('confidence') }} as score
    from settings
),

final as (
    select
        domains.portfolio,
        domains.session_date,
        scores.method,
        scores.confidence,
        horizon_sessions,
        lookback_sessions,
        {{ horizon_scaling('overlapping') }} as scaling,
        if(
            domains.is_in_domain,
            -domains.deviation
            * {{ cornish_fisher_quantile('scores.score', 'domains.skewness', 'domains.kurtosis') }}
            - domains.mean,
            null
        ) as var_return,
        if(
            domains.is_in_domain,
            domains.deviation
            * {{ cornish_fisher_shortfall('scores.score', 'domains.skewness', 'domains.kurtosis') }}
            / (1 - scores.confidence)
            - domains.mean,
            null
        ) as es_return,
        coalesce(not domains.is_in_domain, false) as is_outside_domain
    from domains
    inner join scores using (horizon_sessions, lookback_sessions)
)

select * from final
