with

portfolios as (
    select * from {{ ref('portfolios') }}
    where source = 'fills'
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

holdings as (
    select * from {{ ref('portfolio__holdings') }}
),

closes as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

recorded as (
    select * from {{ ref('stg_journal__cash') }}
),

-- the record written last counts; among records written at the same time, the smallest amount
movements as (
    select *
    from recorded
    window
        last_recorded as (
            partition by account, cash_id
            order by recorded_at desc, abs(amount) asc, value_date asc, kind asc, amount asc
        )
    qualify row_number() over last_recorded = 1
),

-- money whose value date has no session belongs to the next one
dated as (
    select
        portfolios.portfolio,
        sessions.session_date,
        movements.kind,
        movements.amount
    from movements
    inner join portfolios on movements.account = portfolios.portfolio
    asof inner join sessions
        on
            portfolios.calendar = sessions.calendar
            and movements.value_date <= sessions.session_date
),

flows as (
    select
        portfolio,
        session_date,
        coalesce(sum(amount) filter (where kind = 'deposit'), 0) as deposited_amount,
        coalesce(-sum(amount) filter (where kind = 'withdrawal'), 0) as withdrawn_amount,
        coalesce(sum(amount) filter (where kind = 'interest'), 0) as interest_amount,
        coalesce(sum(amount) filter (where kind = 'dividend'), 0) as dividend_amount,
        sum(amount) as flow_amount
    from dated
    group by portfolio, session_date
),

owned as (
    select
        portfolio,
        symbol,
        min(session_date) as first_date,
        max(session_date) as last_date
    from holdings
    group by portfolio, symbol
),

funded as (
    select
        portfolio,
        min(session_date) as first_date
    from flows
    group by portfolio
),

-- from the first fill, or cash before it, to the last price of any symbol that was ever held
spans as (
    select
        owned.portfolio,
        least(min(owned.first_date), min(funded.first_date)) as first_date,
        greatest(max(owned.last_date), max(closes.session_date)) as last_date
    from owned
    left join closes using (symbol)
    left join funded on owned.portfolio = funded.portfolio
    group by owned.portfolio
),

daily as (
    select
        portfolio,
        session_date,
        sum(closing_amount) as holdings_amount,
        sum(bought_amount + sold_amount) as traded_amount,
        sum(sold_amount - bought_amount) as earned_amount,
        sum(dividend_amount) as dividend_amount,
        sum(charges_amount) as charges_amount
    from holdings
    group by portfolio, session_date
),

balances as (
    select
        portfolios.portfolio,
        sessions.session_date,
        previous.session_date as prior_session_date,
        portfolios.capital_amount::decimal(18, 4) as capital_amount,
        coalesce(daily.holdings_amount, 0) as holdings_amount,
        coalesce(daily.traded_amount, 0) as traded_amount,
        coalesce(daily.dividend_amount, 0) + coalesce(flows.dividend_amount, 0)
            as dividend_amount,
        coalesce(flows.interest_amount, 0) as interest_amount,
        coalesce(flows.deposited_amount, 0) as deposited_amount,
        coalesce(flows.withdrawn_amount, 0) as withdrawn_amount,
        coalesce(daily.charges_amount, 0) as charges_amount,
        portfolios.capital_amount::decimal(18, 4)
        + sum(
            coalesce(daily.earned_amount + daily.dividend_amount - daily.charges_amount, 0)
            + coalesce(flows.flow_amount, 0)
        ) over (
            partition by portfolios.portfolio
            order by sessions.session_date
            rows between unbounded preceding and current row
        ) as cash_amount
    from portfolios
    inner join spans using (portfolio)
    inner join sessions
        on
            portfolios.calendar = sessions.calendar
            and sessions.session_date between spans.first_date and spans.last_date
    inner join sessions as previous
        on
            sessions.calendar = previous.calendar
            and sessions.session_number - 1 = previous.session_number
    left join daily
        on
            portfolios.portfolio = daily.portfolio
            and sessions.session_date = daily.session_date
    left join flows
        on
            portfolios.portfolio = flows.portfolio
            and sessions.session_date = flows.session_date
),

final as (
    select
        portfolio,
        session_date,
        prior_session_date,
        (lag(cash_amount, 1, capital_amount) over in_order)::decimal(18, 4) as opening_cash_amount,
        (lag(cash_amount + holdings_amount, 1, capital_amount) over in_order)::decimal(18, 4)
            as opening_equity_amount,
        traded_amount::decimal(18, 4) as traded_amount,
        dividend_amount::decimal(18, 4) as dividend_amount,
        interest_amount::decimal(18, 4) as interest_amount,
        deposited_amount::decimal(18, 4) as deposited_amount,
        withdrawn_amount::decimal(18, 4) as withdrawn_amount,
        charges_amount::decimal(18, 4) as charges_amount,
        cash_amount::decimal(18, 4) as cash_amount,
        holdings_amount::decimal(18, 4) as holdings_amount,
        (cash_amount + holdings_amount)::decimal(18, 4) as equity_amount
    from balances
    window in_order as (partition by portfolio order by session_date)
)

select * from final
order by portfolio, session_date
