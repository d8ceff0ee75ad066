with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
    where horizon_sessions = 1
),

settings as (
    select * from {{ ref('var_settings') }}
    where method in ('ewma', 'filtered_historical')
),

lookbacks as (
    select
        lookback_sessions,
        {{ decayed_weights(var('ewma_decay'), 'lookback_sessions') }} as weights
    from settings
    group by lookback_sessions
),

past_squares as (
    select
        returns.portfolio,
        returns.session_date,
        returns.horizon_sessions,
        returns.horizon_return,
        lookbacks.lookback_sessions,
        lookbacks.weights,
        {{ in_full_lookback('count', 'horizon_return') }} as return_count,
        -- a dot product takes no NULL, not even in a row whose result is NULL
        list(coalesce(horizon_return * horizon_return, 0)) {{ over_lookback() }} as squares
    from returns
    cross join lookbacks
),

final as (
    select
        portfolio,
        session_date,
        lookback_sessions,
        horizon_return as daily_return,
        case when return_count is not null then sqrt(list_dot_product(squares, weights)) end
            as daily_volatility
    from past_squares
)

select * from final
order by portfolio, lookback_sessions, session_date
