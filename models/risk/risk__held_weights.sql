with

weights as (
    select * from {{ ref('portfolio__weights') }}
),

targets as (
    select * from {{ ref('portfolio_weights') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

next_sessions as (
    select * from {{ ref('risk__next_sessions') }}
),

next_rebalances as (
    select
        portfolio,
        max(targets.effective_from) as effective_from
    from next_sessions
    inner join targets using (portfolio)
    where
        targets.effective_from > next_sessions.last_session_date
        and targets.effective_from <= next_sessions.next_session_date
    group by portfolio
),

drifted_weights as (
    select
        portfolio,
        next_sessions.next_session_date as session_date,
        weights.symbol,
        weights.closing_weight as weight
    from weights
    inner join next_sessions using (portfolio)
    anti join next_rebalances using (portfolio)
    where
        weights.session_date = next_sessions.last_session_date
        -- a symbol that was sold in the last session is no longer held
        and weights.closing_weight is distinct from 0
),

-- a symbol without a price yet is cash
target_weights as (
    select
        portfolio,
        next_sessions.next_session_date as session_date,
        targets.symbol,
        targets.weight
    from targets
    inner join next_rebalances using (portfolio, effective_from)
    inner join next_sessions using (portfolio)
    asof inner join closes
        on targets.symbol = closes.symbol
            and next_sessions.last_session_date >= closes.session_date
    where targets.weight != 0
),

final as (
    select
        portfolio,
        session_date,
        symbol,
        weight
    from weights
    where weight is distinct from 0
    union all
    select * from drifted_weights
    union all
    select * from target_weights
)

select * from final
order by portfolio, session_date, symbol
