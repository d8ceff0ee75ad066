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
        horizon_sessions,
        lookback_sessions,
        {{ tail_count('lookback_sessions', 'min(confidence)') }} as tail_count
    from settings
    group by horizon_sessions, lookback_sessions
),

past_losses as (
    select
        returns.portfolio,
        returns.session_date,
        horizon_sessions,
        lookbacks.lookback_sessions,
        {{ in_full_lookback('max', '-horizon_return', 'tail_count') }} as worst_losses
    from returns
    inner join lookbacks using (horizon_sessions)
),

final as (
    select
        past_losses.portfolio,
        past_losses.session_date,
        settings.method,
        settings.confidence,
        horizon_sessions,
        lookback_sessions,
        {{ horizon_scaling('overlapping') }} as scaling,
        {{ tail_var('worst_losses', 'lookback_sessions', 'confidence') }} as var_return,
        {{ tail_es('worst_losses', 'lookback_sessions', 'confidence') }} as es_return
    from past_losses
    inner join settings using (horizon_sessions, lookback_sessions)
)

select * from final
