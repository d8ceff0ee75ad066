{#- Shares are counted to a millionth, which a split may leave of one. -#}
{%- set decimals = 6 -%}

with

fills as (
    select * from {{ ref('portfolio__fills') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
    where source = 'fills'
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

closes as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

factors as (
    select * from {{ ref('bars__adjustment_factors') }}
),

dividends as (
    select * from {{ ref('corporate_actions') }}
    where action = 'dividend'
),

traded as (
    select
        portfolio,
        symbol,
        session_date,
        sum(bought_quantity) as traded_quantity,
        coalesce(sum(quantity) filter (where side = 'buy'), 0) as bought_quantity,
        coalesce(sum(quantity) filter (where side = 'sell'), 0) as sold_quantity,
        coalesce(sum(amount) filter (where side = 'buy'), 0) as bought_amount,
        coalesce(sum(amount) filter (where side = 'sell'), 0) as sold_amount,
        sum(charges_amount) as charges_amount
    from fills
    group by portfolio, symbol, session_date
),

-- an account goes on for as long as anything it ever held has a price
spans as (
    select
        traded.portfolio,
        greatest(max(traded.session_date), max(closes.session_date)) as last_date
    from traded
    left join closes using (symbol)
    group by traded.portfolio
),

owned as (
    select
        portfolio,
        symbol,
        min(session_date) as first_date
    from traded
    group by portfolio, symbol
),

days as (
    select
        portfolios.portfolio,
        owned.symbol,
        sessions.session_date,
        previous.session_date as previous_session_date
    from owned
    inner join spans using (portfolio)
    inner join portfolios using (portfolio)
    inner join sessions
        on
            portfolios.calendar = sessions.calendar
            and sessions.session_date between owned.first_date and spans.last_date
    inner join sessions as previous
        on
            sessions.calendar = previous.calendar
            and sessions.session_number - 1 = previous.session_number
),

-- shares of any day become today's through the factor of its prices, and can be added up
counted as (
    select
        days.portfolio,
        days.symbol,
        days.session_date,
        days.previous_session_date,
        coalesce(factors.adjustment_factor, 1) as adjustment_factor,
        coalesce(traded.traded_quantity, 0) as traded_quantity,
        coalesce(traded.bought_quantity, 0) as bought_quantity,
        coalesce(traded.sold_quantity, 0) as sold_quantity,
        coalesce(traded.bought_amount, 0) as bought_amount,
        coalesce(traded.sold_amount, 0) as sold_amount,
        coalesce(traded.charges_amount, 0) as charges_amount,
        sum(coalesce(traded.traded_quantity, 0) / coalesce(factors.adjustment_factor, 1)) over (
            partition by days.portfolio, days.symbol
            order by days.session_date
            rows between unbounded preceding and current row
        ) as shares_today
    from days
    left join traded
        on
            days.portfolio = traded.portfolio
            and days.symbol = traded.symbol
            and days.session_date = traded.session_date
    asof left join factors
        on days.symbol = factors.symbol and days.session_date >= factors.effective_from
),

positions as (
    select
        *,
        round(shares_today * adjustment_factor, {{ decimals }})::decimal(18, {{ decimals }})
            as closing_quantity
    from counted
),

priced as (
    select
        positions.*,
        positions.closing_quantity - positions.traded_quantity as opening_quantity,
        closes.close,
        -- nothing is worth nothing, whatever its price
        if(
            positions.closing_quantity = 0,
            0,
            round(positions.closing_quantity * closes.close::decimal(18, {{ decimals }}), 4)
        )::decimal(18, 4) as closing_amount
    from positions
    left join closes
        on positions.symbol = closes.symbol and positions.session_date = closes.session_date
),

-- paid on the ex-date, to who held at the close before; a short pays it
paid as (
    select
        priced.portfolio,
        priced.symbol,
        priced.session_date,
        round(
            priced.opening_quantity
            * sum(dividends.dividend_amount)::decimal(18, {{ decimals }}),
            4
        )::decimal(18, 4) as dividend_amount
    from priced
    inner join dividends
        on
            priced.symbol = dividends.symbol
            and priced.previous_session_date < dividends.ex_date
            and priced.session_date >= dividends.ex_date
    group by priced.portfolio, priced.symbol, priced.session_date, priced.opening_quantity
),

valued as (
    select
        priced.portfolio,
        priced.session_date,
        priced.symbol,
        priced.opening_quantity,
        priced.bought_quantity,
        priced.sold_quantity,
        priced.closing_quantity,
        priced.close,
        lag(priced.closing_amount, 1, 0) over (
            partition by priced.portfolio, priced.symbol
            order by priced.session_date
        ) as opening_amount,
        priced.bought_amount,
        priced.sold_amount,
        coalesce(paid.dividend_amount, 0) as dividend_amount,
        priced.charges_amount,
        priced.closing_amount
    from priced
    left join paid using (portfolio, symbol, session_date)
),

final as (
    select
        portfolio,
        session_date,
        symbol,
        opening_quantity::decimal(18, 6) as opening_quantity,
        bought_quantity::decimal(18, 6) as bought_quantity,
        sold_quantity::decimal(18, 6) as sold_quantity,
        closing_quantity,
        close,
        opening_amount::decimal(18, 4) as opening_amount,
        bought_amount::decimal(18, 4) as bought_amount,
        sold_amount::decimal(18, 4) as sold_amount,
        dividend_amount::decimal(18, 4) as dividend_amount,
        charges_amount::decimal(18, 4) as charges_amount,
        closing_amount,
        (
            closing_amount - opening_amount - bought_amount + sold_amount + dividend_amount
            - charges_amount
        )::decimal(18, 4) as pnl_amount
    from valued
    where opening_quantity != 0 or closing_quantity != 0 or bought_quantity != 0
)

select * from final
order by portfolio, session_date, symbol
