-- The compounded returns of every session since a rebalance differ from the value of the shares
-- bought at it plus the cash: a return uses a wrong weight.
{{- config(group='portfolio') }}
{%- set tolerance = 1e-9 %}

with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

sessions as (
    select * from {{ ref('portfolio__sessions') }}
),

weights as (
    select * from {{ ref('portfolio__weights') }}
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
        1 + sessions.cash_return as cash_growth,
        sessions.earlier_session_count + 1 as session_count,
        sessions.target_cash_weight,
        product(1 + returns.gross_return) over since_rebalance as equity
    from sessions
    inner join returns using (portfolio, session_date)
    window
        since_rebalance as (
            partition by portfolio, sessions.effective_from
            order by session_date
        )
),

-- a symbol that is bought after the rebalance is cash for this many sessions
parts as (
    select
        from_returns.*,
        targets.symbol,
        targets.weight,
        weights.entry_date,
        coalesce(entries.earlier_session_count + 1, 0) as cash_session_count
    from from_returns
    inner join targets using (portfolio, effective_from)
    left join weights using (portfolio, session_date, symbol)
    left join sessions as entries
        on
            from_returns.portfolio = entries.portfolio
            and weights.entry_date = entries.session_date
            and from_returns.bought_date < weights.entry_date
),

worth as (
    select
        parts.portfolio,
        parts.session_date,
        parts.equity,
        any_value(parts.target_cash_weight * pow(parts.cash_growth, parts.session_count))
        + sum(
            if(
                parts.entry_date is null or parts.weight = 0,
                parts.weight * pow(parts.cash_growth, parts.session_count),
                parts.weight * pow(parts.cash_growth, parts.cash_session_count)
                * current.total_return_close / entered.total_return_close
            )
        ) as held_equity
    from parts
    asof left join closes as entered
        on parts.symbol = entered.symbol and parts.entry_date >= entered.session_date
    asof left join closes as current
        on parts.symbol = current.symbol and parts.session_date >= current.session_date
    group by parts.portfolio, parts.session_date, parts.equity
)

select * from worth
where abs(equity / held_equity - 1) > {{ tolerance }} or held_equity is null
