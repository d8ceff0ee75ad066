with

sessions as (
    select * from {{ ref('portfolio__sessions') }}
),

targets as (
    select * from {{ ref('portfolio_weights') }}
    where weight != 0
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

holdings as (
    select * from {{ ref('portfolio__holdings') }}
),

accounts as (
    select * from {{ ref('portfolio__accounts') }}
),

-- what a session's return is made of: each holding at the close it was bought at, the one before
-- the session and the session's own
return_closes as (
    select
        sessions.portfolio,
        sessions.session_date,
        targets.symbol,
        unnest([sessions.bought_date, sessions.previous_session_date, sessions.session_date])
            as missing_date
    from sessions
    inner join targets using (portfolio, effective_from)
),

-- what a rebalance's turnover is made of: what was held until then, at the close it was bought at
-- and the one it is traded at
turnover_closes as (
    select
        rebalances.portfolio,
        rebalances.session_date,
        targets.symbol,
        unnest([until_then.bought_date, until_then.session_date]) as missing_date
    from sessions as rebalances
    inner join sessions as until_then
        on rebalances.portfolio = until_then.portfolio
            and rebalances.previous_session_date = until_then.session_date
    inner join targets
        on until_then.portfolio = targets.portfolio
            and until_then.effective_from = targets.effective_from
    where rebalances.is_rebalance
),

needed_closes as (
    select * from return_closes
    union
    select * from turnover_closes
),

set_missing as (
    select
        needed_closes.portfolio,
        needed_closes.session_date,
        needed_closes.symbol,
        needed_closes.missing_date
    from needed_closes
    anti join closes
        on needed_closes.symbol = closes.symbol
            and needed_closes.missing_date = closes.session_date
),

-- an account's session begins at the close before and ends at its own
account_missing as (
    select
        accounts.portfolio,
        accounts.session_date,
        holdings.symbol,
        holdings.session_date as missing_date
    from accounts
    inner join holdings
        on accounts.portfolio = holdings.portfolio
            and holdings.session_date in (accounts.previous_session_date, accounts.session_date)
    where holdings.closing_amount is null
),

final as (
    select * from set_missing
    union all
    select * from account_missing
)

select * from final
order by portfolio, session_date, symbol, missing_date
