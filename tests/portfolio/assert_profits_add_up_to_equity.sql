-- An account's equity differs from its capital plus the profits of all symbols, or from its
-- holdings at their prices plus cash, both to the cent; or its compounded returns lead to another
-- equity, as long as its opening equity is positive.
{%- set tolerance = 1e-9 %}

with

accounts as (
    select * from {{ ref('portfolio__accounts') }}
),

holdings as (
    select * from {{ ref('portfolio__holdings') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
),

equity as (
    select * from {{ ref('portfolio__equity') }}
    where basis = 'net'
),

sums as (
    select
        portfolio,
        session_date,
        sum(pnl_amount) as pnl_amount,
        sum(round(closing_quantity * price, 4)) as worth_amount
    from holdings
    group by portfolio, session_date
),

daily as (
    select
        accounts.portfolio,
        accounts.session_date,
        accounts.equity_amount,
        accounts.cash_amount,
        coalesce(sums.worth_amount, 0) as worth_amount,
        portfolios.capital_amount::decimal(18, 4) as capital_amount,
        equity.equity_ratio,
        sum(coalesce(sums.pnl_amount, 0)) over to_date as pnl_amount,
        count(accounts.equity_amount) over to_date = count(*) over to_date as is_complete,
        min(accounts.opening_equity_amount) over to_date > 0 as is_solvent
    from accounts
    inner join portfolios using (portfolio)
    left join sums using (portfolio, session_date)
    left join equity using (portfolio, session_date)
    window to_date as (partition by accounts.portfolio order by accounts.session_date)
)

select * from daily
where
    is_complete
    and (
        equity_amount != capital_amount + pnl_amount
        or equity_amount != cash_amount + worth_amount
        or (equity_ratio is null) = is_solvent
        or abs(equity_ratio * capital_amount::double / equity_amount::double - 1) > {{ tolerance }}
    )
