with

sessions as (
    select * from {{ ref('portfolio__sessions') }}
),

weights as (
    select * from {{ ref('portfolio__weights') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
),

held as (
    select
        portfolio,
        session_date,
        if(bool_and(weight is not null), sum(weight), null) as held_weight,
        if(bool_and(weight * symbol_return is not null), sum(weight * symbol_return), null)
            as gross_return
    from weights
    group by portfolio, session_date
),

-- what is held at the close before a rebalance against what is held after it, symbol by symbol
old_weights as (
    select
        sessions.portfolio,
        sessions.session_date,
        weights.symbol,
        weights.closing_weight as old_weight,
        0 as new_weight
    from sessions
    inner join weights
        on sessions.portfolio = weights.portfolio
            and sessions.previous_session_date = weights.session_date
    where sessions.is_rebalance
),

new_weights as (
    select
        portfolio,
        session_date,
        weights.symbol,
        0 as old_weight,
        weights.target_weight as new_weight
    from sessions
    inner join weights using (portfolio, session_date)
    where sessions.is_rebalance
),

changes as (
    select * from old_weights
    union all
    select * from new_weights
),

trades as (
    select
        portfolio,
        session_date,
        symbol,
        bool_and(old_weight is not null) as is_known,
        abs(sum(new_weight) - sum(old_weight)) as traded_weight
    from changes
    group by portfolio, session_date, symbol
),

turnovers as (
    select
        portfolio,
        session_date,
        if(bool_and(is_known), sum(traded_weight), null) as turnover
    from trades
    group by portfolio, session_date
),

daily as (
    select
        portfolio,
        session_date,
        -- nothing held is all cash; something held whose price is missing stays null
        if(held.portfolio is null, 0, held.gross_return) as gross_return,
        if(turnovers.portfolio is null, 0, turnovers.turnover) as turnover,
        if(held.portfolio is null, 1, 1 - held.held_weight) as cash_weight
    from sessions
    left join held using (portfolio, session_date)
    left join turnovers using (portfolio, session_date)
),

final as (
    select
        portfolio,
        daily.session_date,
        daily.gross_return,
        daily.gross_return - daily.turnover * portfolios.cost_bps / 10000 as net_return,
        daily.turnover,
        daily.cash_weight
    from daily
    inner join portfolios using (portfolio)
)

select * from final
order by portfolio, session_date
