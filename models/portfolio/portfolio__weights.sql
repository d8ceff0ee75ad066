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

-- a missing close is replaced by the last one before it; before the first close there is none
priced as (
    select
        sessions.portfolio,
        sessions.session_date,
        sessions.effective_from,
        sessions.bought_date,
        sessions.earlier_session_count,
        sessions.target_cash_weight,
        1 + sessions.cash_return as cash_growth,
        targets.symbol,
        targets.weight as target_weight,
        bought.total_return_close as bought_close,
        current.total_return_close as current_close,
        current.session_date as close_date
    from sessions
    inner join targets using (portfolio, effective_from)
    asof left join closes as bought
        on targets.symbol = bought.symbol and sessions.bought_date >= bought.session_date
    asof left join closes as current
        on targets.symbol = current.symbol and sessions.session_date >= current.session_date
),

-- a symbol without a price at the rebalance is cash until its first close and is bought at it
entries as (
    select
        * exclude (bought_date, bought_close),
        coalesce(lag(current_close) over to_date, bought_close) as prior_close,
        if(
            bought_close is null,
            first_value(current_close ignore nulls) over to_date,
            bought_close
        ) as entry_close,
        if(
            bought_close is null,
            min(session_date) filter (where current_close is not null) over to_date,
            bought_date
        ) as entry_date,
        if(
            bought_close is null,
            min(earlier_session_count + 1) filter (where current_close is not null) over to_date,
            0
        ) as cash_session_count
    from priced
    window to_date as (
        partition by portfolio, effective_from, symbol
        order by session_date
        rows between unbounded preceding and current row
    )
),

-- value of the symbol, or of its cash, in a portfolio that is worth 1 at the rebalance
valued as (
    select
        *,
        coalesce(cash_session_count <= earlier_session_count, false) as is_held,
        target_weight * pow(cash_growth, cash_session_count) as entry_value,
        if(is_held, entry_value * prior_close / entry_close, 0) as opening_value,
        if(is_held, 0, target_weight * pow(cash_growth, earlier_session_count)) as opening_cash,
        coalesce(entry_value * current_close / entry_close, 0) as closing_value,
        if(
            entry_date is null, target_weight * pow(cash_growth, earlier_session_count + 1), 0
        ) as closing_cash
    from entries
),

totals as (
    select
        portfolio,
        session_date,
        list_sum(list(opening_value + opening_cash order by symbol))
        + any_value(target_cash_weight * pow(cash_growth, earlier_session_count))
            as opening_total,
        list_sum(list(closing_value + closing_cash order by symbol))
        + any_value(target_cash_weight * pow(cash_growth, earlier_session_count + 1))
            as closing_total
    from valued
    group by portfolio, session_date
),

set_weights as (
    select
        portfolio,
        session_date,
        valued.symbol,
        valued.effective_from,
        valued.entry_date,
        valued.target_weight,
        valued.opening_value / nullif(totals.opening_total, 0) as weight,
        valued.closing_value / nullif(totals.closing_total, 0) as closing_weight,
        if(valued.is_held, valued.current_close / valued.prior_close - 1, null)
            as symbol_return,
        valued.close_date < valued.session_date as is_stale
    from valued
    inner join totals using (portfolio, session_date)
    where valued.entry_date is not null
),

-- holdings from fills need no drift: the weight is their value over the equity, if that is positive
account_weights as (
    select
        holdings.portfolio,
        holdings.session_date,
        holdings.symbol,
        null::date as effective_from,
        null::date as entry_date,
        null::double as target_weight,
        holdings.opening_amount::double
        / if(accounts.opening_equity_amount > 0, accounts.opening_equity_amount, null)::double
            as weight,
        holdings.closing_amount::double
        / if(accounts.equity_amount > 0, accounts.equity_amount, null)::double as closing_weight,
        current.total_return_close / previous.total_return_close - 1 as symbol_return,
        holdings.closing_quantity != 0 and holdings.price_date < holdings.session_date as is_stale
    from holdings
    inner join accounts using (portfolio, session_date)
    asof left join closes as previous
        on holdings.symbol = previous.symbol
            and accounts.prior_session_date >= previous.session_date
    asof left join closes as current
        on holdings.symbol = current.symbol and holdings.session_date >= current.session_date
),

final as (
    select * from set_weights
    union all
    select * from account_weights
)

select * from final
order by portfolio, session_date, symbol
