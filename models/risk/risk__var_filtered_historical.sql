with

volatilities as (
    select * from {{ ref('risk__ewma_volatilities') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'filtered_historical'
),

lookbacks as (
    select
        lookback_sessions,
        {{ tail_count('lookback_sessions', 'min(confidence)') }} as tail_count
    from settings
    group by lookback_sessions
),

-- every return in units of the volatility that was expected before its session
filtered_returns as (
    select
        portfolio,
        session_date,
        lookback_sessions,
        daily_volatility,
        1 as horizon_sessions,
        daily_return / nullif(daily_volatility, 0) as filtered_return
    from volatilities
),

past_losses as (
    select
        filtered_returns.portfolio,
        filtered_returns.session_date,
        filtered_returns.daily_volatility,
        lookback_sessions,
        {{ in_full_lookback('max', '-filtered_return', 'tail_count') }} as worst_losses
    from filtered_returns
    inner join lookbacks using (lookback_sessions)
),

scaled_losses as (
    select
        past_losses.portfolio,
        past_losses.session_date,
        past_losses.worst_losses,
        settings.method,
        settings.confidence,
        settings.horizon_sessions,
        lookback_sessions,
        past_losses.daily_volatility * sqrt(settings.horizon_sessions) as deviation
    from past_losses
    inner join settings using (lookback_sessions)
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
        deviation * ({{ tail_var('worst_losses', 'lookback_sessions', 'confidence') }})
            as var_return,
        deviation * {{ tail_es('worst_losses', 'lookback_sessions', 'confidence') }} as es_return
    from scaled_losses
)

select * from final
