with

returns as (
    select * from {{ ref('risk__horizon_returns') }}
    where horizon_days = 1
),

settings as (
    select * from {{ ref('var_settings') }}
    where method in ('ewma', 'filtered_historical')
),

lookbacks as (
    select
        lookback_days,
        {{ decayed_weights(var('ewma_decay'), 'lookback_days') }} as weights
    from settings
    group by lookback_days
),

past_squares as (
    select
        returns.portfolio,
        returns.session_date,
        returns.horizon_days,
        returns.horizon_return,
        lookbacks.lookback_days,
        lookbacks.weights,
        {{ in_full_lookback('count', 'horizon_return') }} as known_days,
        -- a dot product takes no NULL, not even in a row whose result is NULL
        list(coalesce(horizon_return * horizon_return, 0)) {{ over_lookback() }} as squares
    from returns
    cross join lookbacks
),

final as (
    select
        portfolio,
        session_date,
        lookback_days,
        horizon_return as daily_return,
        case when known_days is not null then sqrt(list_dot_product(squares, weights)) end
            as daily_volatility
    from past_squares
)

select * from final
order by portfolio, lookback_days, session_date
