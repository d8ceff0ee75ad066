with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
),

settings as (
    select * from {{ ref('var_settings') }}
    where method = 'historical'
),

lookbacks as (
    select
        horizon_days,
        lookback_days,
        {{ tail_count('lookback_days', 'min(confidence)') }} as tail_count
    from settings
    group by horizon_days, lookback_days
),

past_losses as (
    select
        returns.portfolio,
        returns.session_date,
        horizon_days,
        lookbacks.lookback_days,
        {{ in_full_lookback('max', '-horizon_return', 'tail_count') }} as worst_losses
    from returns
    inner join lookbacks using (horizon_days)
),

final as (
    select
        past_losses.portfolio,
        past_losses.session_date,
        settings.method,
        settings.confidence,
        horizon_days,
        lookback_days,
        {{ horizon_scaling('overlapping') }} as scaling,
        {{ tail_var('worst_losses', 'lookback_days', 'confidence') }} as var_return,
        {{ tail_es('worst_losses', 'lookback_days', 'confidence') }} as es_return
    from past_losses
    inner join settings using (horizon_days, lookback_days)
)

select * from final
