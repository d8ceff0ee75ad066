with

moments as (
    select * from {{ ref('risk__moments') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'student_t'
),

-- the t distribution with the kurtosis of the returns; none if that is not above normal
fits as (
    select
        portfolio,
        session_date,
        horizon_sessions,
        lookback_sessions,
        mean,
        deviation,
        if(excess_kurtosis > 0, 4 + 6 / excess_kurtosis, null) as freedom
    from moments
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

quantiles as (
    select
        fits.portfolio,
        fits.session_date,
        scores.method,
        scores.confidence,
        horizon_sessions,
        lookback_sessions,
        fits.mean,
        fits.deviation,
        fits.freedom,
        if(
            fits.freedom is null,
            scores.score,
            {{ student_quantile('scores.confidence', 'scores.score', 'fits.freedom') }}
        ) as quantile
    from fits
    inner join scores using (horizon_sessions, lookback_sessions)
),

-- for a t or a normal distribution in units of its own deviation
unit_risks as (
    select
        *,
        if(freedom is null, 1, sqrt((freedom - 2) / freedom)) as unit,
        if(
            freedom is null,
            {{ normal_density('quantile') }},
            {{ student_density('quantile', 'freedom') }}
            * (freedom + quantile * quantile) / (freedom - 1)
        ) / (1 - confidence) as shortfall
    from quantiles
),

final as (
    select
        portfolio,
        session_date,
        method,
        confidence,
        horizon_sessions,
        lookback_sessions,
        {{ horizon_scaling('overlapping') }} as scaling,
        deviation * unit * quantile - mean as var_return,
        deviation * unit * shortfall - mean as es_return
    from unit_risks
)

select * from final
