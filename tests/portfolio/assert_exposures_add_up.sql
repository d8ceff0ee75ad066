-- Exposures by symbol or by sector do not add up to the portfolio's, or exposure and cash at the
-- close do not add up to 1.
{{- config(group='portfolio') }}
{%- set tolerance = 1e-9 %}

with

exposures as (
    select * from {{ ref('portfolio__exposures') }}
),

returns as (
    select * from {{ ref('portfolio__returns') }}
),

accounts as (
    select * from {{ ref('portfolio__accounts') }}
),

-- without the sessions of accounts, whose cash earns nothing
sessions as (
    select * from {{ ref('portfolio__sessions') }}
),

-- a symbol whose first price is the session's close is bought at that close, for cash
entered as (
    select
        portfolio,
        session_date,
        sum(closing_weight) as entered_weight
    from {{ ref('portfolio__weights') }}
    where entry_date = session_date
    group by portfolio, session_date
),

sums as (
    select
        portfolio,
        session_date,
        dimension,
        sum(position_count) as position_count,
        sum(long_weight) as long_weight,
        sum(short_weight) as short_weight,
        sum(gross_weight) as gross_weight,
        sum(net_weight) as net_weight
    from exposures
    where dimension != 'portfolio'
    group by portfolio, session_date, dimension
),

wholes as (
    select
        exposures.portfolio,
        exposures.session_date,
        exposures.position_count,
        exposures.long_weight,
        exposures.short_weight,
        exposures.gross_weight,
        exposures.net_weight,
        -- in an account, only fills change cash during a session
        if(
            accounts.portfolio is null,
            returns.cash_weight * (1 + sessions.cash_return) / (1 + returns.gross_return)
            - coalesce(entered.entered_weight, 0),
            accounts.cash_amount::double / nullif(accounts.equity_amount, 0)::double
        ) as closing_cash_weight
    from exposures
    left join returns using (portfolio, session_date)
    left join accounts using (portfolio, session_date)
    left join sessions using (portfolio, session_date)
    left join entered using (portfolio, session_date)
    where exposures.dimension = 'portfolio'
)

select
    portfolio,
    session_date,
    sums.dimension,
    wholes.net_weight,
    sums.net_weight as net_sum,
    wholes.closing_cash_weight
from wholes
full outer join sums using (portfolio, session_date)
where
    wholes.portfolio is null
    or sums.portfolio is null
    or wholes.position_count != sums.position_count
    or abs(wholes.long_weight - sums.long_weight) > {{ tolerance }}
    or abs(wholes.short_weight - sums.short_weight) > {{ tolerance }}
    or abs(wholes.gross_weight - sums.gross_weight) > {{ tolerance }}
    or abs(wholes.net_weight - sums.net_weight) > {{ tolerance }}
    or abs(wholes.long_weight - wholes.short_weight - wholes.gross_weight) > {{ tolerance }}
    or abs(wholes.net_weight + wholes.closing_cash_weight - 1) > {{ tolerance }}
