-- An account's equity differs from its capital plus the profits of all symbols and the cash that
-- came in by its session, or from its holdings at their prices plus cash, both to the cent; or a
-- growth of equity_ratio, and then the session's deposits and withdrawals, lead from the prior
-- equity to another one, as long as the opening equity is positive.
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

recorded as (
    select * from {{ ref('stg_journal__cash') }}
),

movements as (
    select
        account as portfolio,
        value_date,
        arg_max(amount, recorded_at) as amount
    from recorded
    group by account, cash_id, value_date
    qualify row_number() over (partition by account, cash_id order by max(recorded_at) desc) = 1
),

moved as (
    select
        accounts.portfolio,
        accounts.session_date,
        sum(movements.amount) as moved_amount
    from accounts
    inner join movements
        on
            accounts.portfolio = movements.portfolio
            and accounts.session_date >= movements.value_date
    group by accounts.portfolio, accounts.session_date
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
        accounts.deposited_amount - accounts.withdrawn_amount as flow_amount,
        coalesce(moved.moved_amount, 0) as moved_amount,
        lag(accounts.equity_amount, 1, portfolios.capital_amount::decimal(18, 4)) over to_date
            as prior_amount,
        equity.equity_ratio,
        equity.equity_ratio / lag(equity.equity_ratio, 1, 1) over to_date as growth,
        sum(coalesce(sums.pnl_amount, 0)) over to_date as pnl_amount,
        count(accounts.equity_amount) over to_date = count(*) over to_date as is_complete,
        min(accounts.opening_equity_amount) over to_date > 0 as is_solvent
    from accounts
    inner join portfolios using (portfolio)
    left join sums using (portfolio, session_date)
    left join equity using (portfolio, session_date)
    left join moved using (portfolio, session_date)
    window to_date as (partition by accounts.portfolio order by accounts.session_date)
)

select * from daily
where
    is_complete
    and (
        equity_amount != capital_amount + pnl_amount + moved_amount
        or equity_amount != cash_amount + worth_amount
        or (equity_ratio is null) = is_solvent
        or abs(growth * prior_amount::double / (equity_amount - flow_amount)::double - 1)
        > {{ tolerance }}
    )
