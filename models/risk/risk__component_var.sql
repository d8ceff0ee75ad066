{#- the trade whose risk is estimated: this fraction of the portfolio's value is bought for cash -#}
{%- set trade_weight = 0.01 -%}

with

portfolios as (
    select * from {{ ref('portfolios') }}
),

next_sessions as (
    select * from {{ ref('risk__next_sessions') }}
),

weights as (
    select * from {{ ref('risk__held_weights') }}
),

covariances as (
    select * from {{ ref('risk__covariances') }}
),

scores as (
    select
        if(method = 'normal', 'sample', method) as method,
        confidence,
        lookback_sessions,
        {{ normal_quantile('confidence') }} as score
    from {{ ref('var_settings') }}
    where method in ('normal', 'ewma') and horizon_sessions = 1
),

latest_weights as (
    select
        portfolio,
        weights.session_date,
        weights.symbol,
        weights.weight
    from weights
    inner join next_sessions using (portfolio)
    where weights.session_date = next_sessions.next_session_date
),

-- every symbol that is held or could be bought, with its weight
positions as (
    select
        portfolios.portfolio,
        portfolios.capital_amount,
        next_sessions.next_session_date as session_date,
        covariances.symbol,
        covariances.method,
        covariances.lookback_sessions,
        covariances.covariance as variance,
        if(latest_weights.portfolio is null, 0, latest_weights.weight) as weight
    from portfolios
    inner join next_sessions using (portfolio)
    inner join covariances
        on portfolios.calendar = covariances.calendar
            and covariances.symbol = covariances.other_symbol
    left join latest_weights
        on portfolios.portfolio = latest_weights.portfolio
            and covariances.symbol = latest_weights.symbol
),

-- a symbol's covariance with the portfolio; NULL if a held symbol has no covariance with it
held_covariances as (
    select
        positions.portfolio,
        positions.symbol,
        positions.method,
        positions.lookback_sessions,
        if(
            bool_and(
                latest_weights.portfolio is null
                or latest_weights.weight * covariances.covariance is not null
            ),
            list_sum(
                list(
                    coalesce(latest_weights.weight * covariances.covariance, 0)
                    order by latest_weights.symbol
                )
            ),
            null
        ) as portfolio_covariance
    from positions
    left join latest_weights using (portfolio)
    left join covariances
        on positions.symbol = covariances.symbol
            and latest_weights.symbol = covariances.other_symbol
            and positions.method = covariances.method
            and positions.lookback_sessions = covariances.lookback_sessions
    group by
        positions.portfolio, positions.symbol, positions.method, positions.lookback_sessions
),

variances as (
    select
        positions.portfolio,
        positions.session_date,
        positions.symbol,
        positions.method,
        positions.lookback_sessions,
        positions.capital_amount,
        positions.weight,
        positions.variance,
        held_covariances.portfolio_covariance,
        case
            when
                bool_and(
                    positions.weight = 0 or held_covariances.portfolio_covariance is not null
                ) over whole
                then {{ exact_sum(
                    'positions.weight * held_covariances.portfolio_covariance', 'over whole', 26
                ) }}
        end as portfolio_variance
    from positions
    inner join held_covariances using (portfolio, symbol, method, lookback_sessions)
    window
        whole as (
            partition by positions.portfolio, positions.method, positions.lookback_sessions
        )
),

-- rounding may leave a negative variance; NULL stays NULL
deviations as (
    select
        *,
        case
            when portfolio_variance > 0 then sqrt(portfolio_variance)
            else 0 * portfolio_variance
        end as deviation,
        portfolio_variance
        + 2 * {{ trade_weight }} * portfolio_covariance
        + pow({{ trade_weight }}, 2) * variance as variance_after_trade
    from variances
),

risks as (
    select
        deviations.portfolio,
        deviations.session_date,
        deviations.symbol,
        deviations.method,
        scores.confidence,
        deviations.lookback_sessions,
        deviations.capital_amount,
        deviations.weight,
        scores.score * deviations.deviation as var_return,
        scores.score * deviations.portfolio_covariance / nullif(deviations.deviation, 0)
            as marginal_var_return,
        scores.score * case
            when deviations.variance_after_trade > 0 then sqrt(deviations.variance_after_trade)
            else 0 * deviations.variance_after_trade
        end as var_return_after_trade
    from deviations
    inner join scores using (method, lookback_sessions)
),

final as (
    select
        portfolio,
        session_date,
        symbol,
        method,
        confidence,
        lookback_sessions,
        weight,
        var_return,
        marginal_var_return,
        if(weight = 0, 0, weight * marginal_var_return) as component_var_return,
        component_var_return / nullif(var_return, 0) as component_ratio,
        var_return_after_trade - var_return as incremental_var_return,
        var_return * capital_amount as var_amount,
        component_var_return * capital_amount as component_var_amount,
        incremental_var_return * capital_amount as incremental_var_amount,
        {{ trade_weight }} * capital_amount as trade_amount
    from risks
)

select * from final
order by portfolio, method, confidence, lookback_sessions, symbol
