-- The contributions of the symbols do not add up to the portfolio's volatility, or that volatility
-- does not follow from the portfolio's weights and covariances.
{{- config(group='portfolio') }}
{%- set tolerance = 1e-9 %}

with

contributions as (
    select * from {{ ref('portfolio__risk_contributions') }}
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

parts as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        any_value(portfolio_volatility) as whole,
        sum(component_volatility) as of_parts,
        sum(abs(component_volatility)) as gross_parts,
        sum(component_ratio) as of_ratios,
        sum(abs(component_ratio)) as gross_ratios,
        count(*) filter (where component_volatility is null) as missing_return_count,
        count(*) as symbol_count
    from contributions
    group by portfolio, session_date, method, window_sessions
),

variances as (
    select
        portfolio,
        session_date,
        method,
        window_sessions,
        sum(
            if(covariances.symbol = covariances.other_symbol, 1, 2)
            * one.weight * covariances.covariance * other.weight
        ) as variance,
        sum(
            if(covariances.symbol = covariances.other_symbol, 1, 2)
            * abs(one.weight * covariances.covariance * other.weight)
        ) as gross_variance,
        count(*) as pair_count
    from covariances
    inner join contributions as one
        using (portfolio, session_date, method, window_sessions, symbol)
    inner join contributions as other
        on
            covariances.portfolio = other.portfolio
            and covariances.session_date = other.session_date
            and covariances.method = other.method
            and covariances.window_sessions = other.window_sessions
            and covariances.other_symbol = other.symbol
    group by portfolio, session_date, method, window_sessions
)

select
    portfolio,
    session_date,
    method,
    window_sessions,
    parts.whole,
    parts.of_parts,
    variances.variance
from parts
full outer join variances using (portfolio, session_date, method, window_sessions)
left join portfolios using (portfolio)
left join calendars using (calendar)
where
    parts.portfolio is null
    or variances.portfolio is null
    or variances.pair_count != parts.symbol_count * (parts.symbol_count + 1) / 2
    -- relative to the gross sum: positions that cancel out leave little but rounding
    or abs(parts.of_parts - parts.whole) > {{ tolerance }} * parts.gross_parts
    or abs(parts.of_ratios - 1) > {{ tolerance }} * parts.gross_ratios
    or abs(variances.variance * calendars.sessions_per_year - pow(parts.whole, 2))
    > {{ tolerance }} * variances.gross_variance * calendars.sessions_per_year
    or (parts.whole is null and parts.missing_return_count < parts.symbol_count)
    or (parts.whole > 0 and parts.missing_return_count > 0)
