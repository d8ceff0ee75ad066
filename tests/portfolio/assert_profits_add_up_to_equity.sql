-- An account is not worth what it began with and what every symbol made since; or not what it held,
-- share by share, and its cash; or its returns lead elsewhere, for as long as it has any. To the
-- cent, but for returns.
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
        sum(coalesce(sums.pnl_amount, 0)) over so_far as pnl_amount,
        count(accounts.equity_amount) over so_far = count(*) over so_far as is_known,
        min(accounts.opening_equity_amount) over so_far > 0 as is_solvent
    from accounts
    inner join portfolios using (portfolio)
    left join sums using (portfolio, session_date)
    left join equity using (portfolio, session_date)
    window so_far as (partition by accounts.portfolio order by accounts.session_date)
)

select * from daily
where
    is_known
    and (
        equity_amount != capital_amount + pnl_amount
        or equity_amount != cash_amount + worth_amount
        or (equity_ratio is null) = is_solvent
        or abs(equity_ratio * capital_amount::double / equity_amount::double - 1) > {{ tolerance }}
    )
