-- A portfolio holds a symbol that is priced in another currency. Amounts in two currencies would be
-- added up, and returns would leave out the change of the exchange rate.

with

portfolios as (
    select * from {{ ref('portfolios') }}
),

weights as (
    select * from {{ ref('portfolio_weights') }}
    where weight != 0
),

fills as (
    select * from {{ ref('portfolio__fills') }}
),

instruments as (
    select * from {{ ref('instruments') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

held as (
    select
        portfolio,
        symbol
    from weights
    union
    select
        portfolio,
        symbol
    from fills
),

-- a price is in the currency of its calendar, unless the instrument states another
priced as (
    select
        closes.symbol,
        min(calendars.currency) as currency
    from closes
    inner join calendars using (calendar)
    group by closes.symbol
)

select
    format(
        'portfolio {} is in {} and holds {}, which is in {}: hold it in a portfolio of its own, or '
        || 'say the currency of its price in seeds/reference/instruments.csv',
        held.portfolio,
        portfolios.currency,
        held.symbol,
        coalesce(instruments.currency, priced.currency)
    ) as problem
from held
inner join portfolios using (portfolio)
left join instruments using (symbol)
left join priced using (symbol)
where portfolios.currency != coalesce(instruments.currency, priced.currency)
order by held.portfolio, held.symbol
