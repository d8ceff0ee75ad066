-- A unit of money that earns the returns of every session since a rebalance does not become what
-- the shares bought with it, and the cash beside them, are worth: a return uses a wrong weight.
{{- config(group='portfolio') }}
{%- set tolerance = 1e-9 %}

with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

sessions as (
    select * from {{ ref('portfolio__sessions') }}
),

targets as (
    select * from {{ ref('portfolio_weights') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

from_returns as (
    select
        portfolio,
        session_date,
        sessions.effective_from,
        sessions.bought_date,
        product(1 + returns.gross_return) over since_rebalance as equity,
        bool_and(returns.gross_return is not null) over since_rebalance as is_known
    from sessions
    inner join returns using (portfolio, session_date)
    window
        since_rebalance as (
            partition by portfolio, sessions.effective_from
            order by session_date
        )
),

holdings as (
    select
        from_returns.portfolio,
        from_returns.session_date,
        from_returns.equity,
        sum(targets.weight * (current.total_return_close / bought.total_return_close - 1)) + 1
            as held_equity
    from from_returns
    inner join targets using (portfolio, effective_from)
    left join closes as bought
        on targets.symbol = bought.symbol and from_returns.bought_date = bought.session_date
    left join closes as current
        on targets.symbol = current.symbol and from_returns.session_date = current.session_date
    where from_returns.is_known
    group by from_returns.portfolio, from_returns.session_date, from_returns.equity
)

select * from holdings
where abs(equity / held_equity - 1) > {{ tolerance }}
