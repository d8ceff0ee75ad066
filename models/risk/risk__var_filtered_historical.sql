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
        lookback_days,
        {{ tail_count('lookback_days', 'min(confidence)') }} as tail_count
    from settings
    group by lookback_days
),

-- every return in units of the volatility that was expected before its session
filtered_returns as (
    select
        portfolio,
        session_date,
        lookback_days,
        daily_volatility,
        1 as horizon_days,
        daily_return / nullif(daily_volatility, 0) as filtered_return
    from volatilities
),

past_losses as (
    select
        filtered_returns.portfolio,
        filtered_returns.session_date,
        filtered_returns.daily_volatility,
        lookback_days,
        {{ in_full_lookback('max', '-filtered_return', 'tail_count') }} as worst_losses
    from filtered_returns
    inner join lookbacks using (lookback_days)
),

scaled_losses as (
    select
        past_losses.portfolio,
        past_losses.session_date,
        past_losses.worst_losses,
        settings.method,
        settings.confidence,
        settings.horizon_days,
        lookback_days,
        past_losses.daily_volatility * sqrt(settings.horizon_days) as deviation
    from past_losses
    inner join settings using (lookback_days)
),

final as (
    select
        portfolio,
        session_date,
        method,
        confidence,
        horizon_days,
        lookback_days,
        {{ horizon_scaling('sqrt_time') }} as scaling,
        deviation * ({{ tail_var('worst_losses', 'lookback_days', 'confidence') }}) as var_return,
        deviation * {{ tail_es('worst_losses', 'lookback_days', 'confidence') }} as es_return
    from scaled_losses
)

select * from final
