with

weights as (
    select * from {{ ref('portfolio__weights') }}
),

covariances as (
    select * from {{ ref('portfolio__covariances') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

-- covariances have each pair once; here each symbol needs a row with every other and with itself
pairs as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        symbol,
        other_symbol,
        covariance
    from covariances
    union all
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        other_symbol as symbol,
        symbol as other_symbol,
        covariance
    from covariances
    where symbol != other_symbol
),

weighted_covariances as (
    select
        pairs.portfolio,
        pairs.session_date,
        pairs.method,
        pairs.window_sessions,
        pairs.symbol,
        list_sum(list(pairs.covariance * others.closing_weight order by pairs.other_symbol))
            as covariance_with_all
    from pairs
    inner join weights as others
        on
            pairs.portfolio = others.portfolio
            and pairs.session_date = others.session_date
            and pairs.other_symbol = others.symbol
    group by
        pairs.portfolio, pairs.session_date, pairs.method, pairs.window_sessions, pairs.symbol
),

components as (
    select
        portfolio,
        session_date,
        weighted_covariances.method,
        weighted_covariances.window_sessions,
        symbol,
        weights.closing_weight as weight,
        weighted_covariances.covariance_with_all
    from weighted_covariances
    inner join weights using (portfolio, session_date, symbol)
),

-- If a covariance of a symbol is NULL, so is its variance, and the whole is NULL. If positions
-- cancel out, rounding may leave a negative variance.
totals as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        case
            when bool_and(weight * covariance_with_all is not null)
                then
                    sqrt(greatest(0, list_sum(list(weight * covariance_with_all order by symbol))))
        end as volatility
    from components
    group by portfolio, session_date, method, window_sessions
),

final as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        components.symbol,
        components.weight,
        components.covariance_with_all / nullif(totals.volatility, 0)
        * sqrt(calendars.sessions_per_year)
            as marginal_volatility,
        components.weight * components.covariance_with_all / nullif(totals.volatility, 0)
        * sqrt(calendars.sessions_per_year) as component_volatility,
        components.weight * components.covariance_with_all / nullif(pow(totals.volatility, 2), 0)
            as component_ratio,
        totals.volatility * sqrt(calendars.sessions_per_year) as portfolio_volatility
    from components
    inner join totals using (portfolio, session_date, method, window_sessions)
    inner join portfolios using (portfolio)
    inner join calendars using (calendar)
)

select * from final
order by portfolio, session_date, method, window_sessions, symbol
