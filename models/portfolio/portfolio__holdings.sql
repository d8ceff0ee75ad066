{#- Quantities have six decimals, because a split can leave fractions of a share. -#}
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
        sum(charges_amount) as charges_amount,
        arg_max(price, (filled_at, fill_key))::double as last_price
    from fills
    group by portfolio, symbol, session_date
),

-- an account ends with the last price of any symbol that it ever held
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
        previous.session_date as prior_session_date
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

-- divided by the adjustment factor of its day, every quantity is in today's shares and can be added
-- up
share_counts as (
    select
        days.portfolio,
        days.symbol,
        days.session_date,
        days.prior_session_date,
        coalesce(factors.adjustment_factor, 1) as adjustment_factor,
        coalesce(traded.traded_quantity, 0) as traded_quantity,
        coalesce(traded.bought_quantity, 0) as bought_quantity,
        coalesce(traded.sold_quantity, 0) as sold_quantity,
        coalesce(traded.bought_amount, 0) as bought_amount,
        coalesce(traded.sold_amount, 0) as sold_amount,
        coalesce(traded.charges_amount, 0) as charges_amount,
        {{ exact_sum(
            'coalesce(traded.traded_quantity, 0) / coalesce(factors.adjustment_factor, 1)',
            'over to_date', 12
        ) }} as shares_today
    from days
    left join traded
        on
            days.portfolio = traded.portfolio
            and days.symbol = traded.symbol
            and days.session_date = traded.session_date
    asof left join factors
        on days.symbol = factors.symbol and days.session_date >= factors.effective_from
    window
        to_date as (
            partition by days.portfolio, days.symbol
            order by days.session_date
            rows between unbounded preceding and current row
        )
),

positions as (
    select
        *,
        round(shares_today * adjustment_factor, {{ decimals }})::decimal(18, {{ decimals }})
            as closing_quantity
    from share_counts
),

-- without a close, the price is that of the account's own last fill in the session, if any
session_prices as (
    select
        owned.portfolio,
        owned.symbol,
        closes.session_date,
        closes.close as session_price
    from owned
    inner join closes using (symbol)
    union all
    select
        traded.portfolio,
        traded.symbol,
        traded.session_date,
        traded.last_price as session_price
    from traded
    anti join closes using (symbol, session_date)
),

adjusted_prices as (
    select
        session_prices.*,
        coalesce(factors.adjustment_factor, 1) as price_factor
    from session_prices
    asof left join factors
        on
            session_prices.symbol = factors.symbol
            and session_prices.session_date >= factors.effective_from
),

-- the last price, restated in the session's shares if a split came in between
priced as (
    select
        positions.*,
        positions.closing_quantity - positions.traded_quantity as opening_quantity,
        adjusted_prices.session_date as price_date,
        (
            adjusted_prices.session_price
            * if(
                adjusted_prices.price_factor = positions.adjustment_factor,
                1,
                adjusted_prices.price_factor / positions.adjustment_factor
            )
        )::decimal(18, {{ decimals }}) as price
    from positions
    asof left join adjusted_prices
        on
            positions.portfolio = adjusted_prices.portfolio
            and positions.symbol = adjusted_prices.symbol
            and positions.session_date >= adjusted_prices.session_date
),

market_values as (
    select
        *,
        -- no holding has no value, even if its price is NULL
        if(closing_quantity = 0, 0, round(closing_quantity * price, 4))::decimal(18, 4)
            as closing_amount
    from priced
),

-- booked on the ex-date for holdings at the prior close; a short pays it
paid_dividends as (
    select
        market_values.portfolio,
        market_values.symbol,
        market_values.session_date,
        round(
            market_values.opening_quantity
            * sum(dividends.dividend_amount)::decimal(18, {{ decimals }}),
            4
        )::decimal(18, 4) as dividend_amount
    from market_values
    inner join dividends
        on
            market_values.symbol = dividends.symbol
            and market_values.prior_session_date < dividends.ex_date
            and market_values.session_date >= dividends.ex_date
    group by
        market_values.portfolio,
        market_values.symbol,
        market_values.session_date,
        market_values.opening_quantity
),

valued as (
    select
        market_values.portfolio,
        market_values.session_date,
        market_values.symbol,
        market_values.opening_quantity,
        market_values.bought_quantity,
        market_values.sold_quantity,
        market_values.closing_quantity,
        market_values.price_date,
        market_values.price,
        lag(market_values.closing_amount, 1, 0) over (
            partition by market_values.portfolio, market_values.symbol
            order by market_values.session_date
        ) as opening_amount,
        market_values.bought_amount,
        market_values.sold_amount,
        coalesce(paid_dividends.dividend_amount, 0) as dividend_amount,
        market_values.charges_amount,
        market_values.closing_amount
    from market_values
    left join paid_dividends using (portfolio, symbol, session_date)
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
        price_date,
        price,
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
