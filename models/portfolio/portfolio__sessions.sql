with

portfolios as (
    select * from {{ ref('portfolios') }}
    where source = 'weights'
),

calendars as (
    select * from {{ ref('calendars') }}
),

targets as (
    select * from {{ ref('portfolio_weights') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

rebalances as (
    select
        portfolio,
        effective_from,
        1 - {{ exact_sum('weight', decimals=12) }} as target_cash_weight
    from targets
    group by portfolio, effective_from
),

-- a portfolio starts after the first close of any of its symbols and ends with the last one
spans as (
    select
        targets.portfolio,
        min(closes.session_date) as first_close_date,
        max(closes.session_date) as last_close_date
    from targets
    inner join closes using (symbol)
    group by targets.portfolio
),

held_sessions as (
    select
        portfolios.portfolio,
        portfolios.calendar,
        if(
            portfolios.has_cash_interest,
            pow(1 + portfolios.risk_free_return, 1 / calendars.sessions_per_year::double) - 1,
            0
        )::double as cash_return,
        sessions.session_date,
        sessions.session_number,
        rebalances.effective_from,
        rebalances.target_cash_weight
    from portfolios
    inner join calendars using (calendar)
    inner join spans using (portfolio)
    inner join sessions
        on portfolios.calendar = sessions.calendar
            and spans.first_close_date < sessions.session_date
            and spans.last_close_date >= sessions.session_date
    asof inner join rebalances
        on portfolios.portfolio = rebalances.portfolio
            and sessions.session_date >= rebalances.effective_from
),

numbered as (
    select
        portfolio,
        calendar,
        session_date,
        effective_from,
        target_cash_weight,
        cash_return,
        session_number - 1 as prior_number,
        min(session_number) over (partition by portfolio, effective_from) - 1 as bought_number
    from held_sessions
),

final as (
    select
        numbered.portfolio,
        numbered.session_date,
        numbered.effective_from,
        numbered.prior_number = numbered.bought_number as is_rebalance,
        previous.session_date as prior_session_date,
        bought.session_date as bought_date,
        numbered.prior_number - numbered.bought_number as earlier_session_count,
        numbered.target_cash_weight,
        numbered.cash_return
    from numbered
    inner join sessions as previous
        on numbered.calendar = previous.calendar
            and numbered.prior_number = previous.session_number
    inner join sessions as bought
        on numbered.calendar = bought.calendar
            and numbered.bought_number = bought.session_number
)

select * from final
order by portfolio, session_date
