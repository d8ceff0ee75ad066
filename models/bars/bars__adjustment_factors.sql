with

corporate_actions as (
    select * from {{ ref('corporate_actions') }}
    {%- if var('as_of') %}
    where ex_date <= timestamp '{{ var("as_of") }}'
    {%- endif %}
),

daily_bars as (
    select * from {{ ref('stg_raw__daily_bars') }}
),

minute_bars as (
    select * from {{ ref('bars__delivered_minutes') }}
),

delivered_days as (
    select * from {{ ref('bars__delivered_days') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

precedences as (
    select * from {{ ref('source_precedence') }}
),

share_factors as (
    select
        symbol,
        ex_date,
        action,
        old_shares / new_shares as share_factor
    from corporate_actions
    where action != 'dividend'
),

dividends as (
    select
        symbol,
        ex_date,
        dividend_amount
    from corporate_actions
    where action = 'dividend'
),

first_dividends as (
    select
        symbol,
        min(ex_date) as first_ex_date
    from dividends
    group by symbol
),

payers_days as (
    select daily_bars.*
    from daily_bars
    inner join first_dividends
        on
            daily_bars.symbol = first_dividends.symbol
            and daily_bars.session_date >= first_dividends.first_ex_date
),

ruled_days as (
    {{ ruled_rows('payers_days', 'daily') | indent }}
),

-- the closes of bars.ohlcv: of a day's sound rows, the one that is preferred there
daily_closes as (
    select
        symbol,
        session_date,
        close
    from ruled_days
    where broken_rule is null
    qualify
        row_number() over (
            partition by symbol, session_date
            order by {{ preference_order() }}
        ) = 1
),

-- minutes are needed only before the first daily close on or after an ex-date
days_of_minutes as (
    select distinct
        delivered_days.symbol,
        delivered_days.session_date
    from delivered_days
    asof inner join dividends
        on
            delivered_days.symbol = dividends.symbol
            and delivered_days.session_date >= dividends.ex_date
    asof left join daily_closes
        on
            dividends.symbol = daily_closes.symbol
            and dividends.ex_date <= daily_closes.session_date
    where
        delivered_days.kind = 'minute'
        and coalesce(delivered_days.session_date < daily_closes.session_date, true)
),

payers_minutes as (
    select minute_bars.*
    from minute_bars
    semi join days_of_minutes using (symbol, session_date)
),

ruled_minutes as (
    {{ ruled_rows('payers_minutes', 'minute') | indent }}
),

minute_closes as (
    select
        symbol,
        session_date,
        bar_ts,
        close
    from ruled_minutes
    where broken_rule is null
    qualify
        row_number() over (
            partition by symbol, session_date, bar_ts
            order by {{ preference_order() }}
        ) = 1
),

closes as (
    select
        symbol,
        session_date,
        close
    from daily_closes
    union all
    select
        symbol,
        session_date,
        arg_max(close, bar_ts) as close
    from minute_closes
    group by symbol, session_date
),

-- A dividend buys shares at the first close without it. A stock that has not traded since has
-- none, and neither has an ex-date that was a holiday or has no bar.
ex_dividend_closes as (
    select
        dividends.symbol,
        dividends.ex_date,
        dividends.dividend_amount,
        closes.session_date as close_date,
        closes.close
    from dividends
    asof inner join closes
        on
            dividends.symbol = closes.symbol
            and dividends.ex_date <= closes.session_date
),

-- in the shares of that close, if there was a split in between
paid as (
    select
        ex_dividend_closes.symbol,
        ex_dividend_closes.ex_date,
        ex_dividend_closes.close_date,
        ex_dividend_closes.close,
        ex_dividend_closes.dividend_amount * coalesce(
            list_product(
                list(
                    share_factors.share_factor
                    order by share_factors.ex_date, share_factors.action
                )
            ),
            1.0
        ) as amount
    from ex_dividend_closes
    left join share_factors
        on
            ex_dividend_closes.symbol = share_factors.symbol
            and ex_dividend_closes.ex_date < share_factors.ex_date
            and ex_dividend_closes.close_date >= share_factors.ex_date
    group by
        ex_dividend_closes.symbol,
        ex_dividend_closes.ex_date,
        ex_dividend_closes.close_date,
        ex_dividend_closes.close,
        ex_dividend_closes.dividend_amount
),

-- if several dividends precede one close, each is paid before those that come after it
owed as (
    select
        symbol,
        ex_date,
        close + coalesce(list_sum(list(amount) over later), 0) as worth,
        amount
    from paid
    window later as (
        partition by symbol, close_date
        order by ex_date desc
        rows between unbounded preceding and 1 preceding
    )
),

dividend_factors as (
    select
        symbol,
        ex_date,
        'dividend' as action,
        worth / (worth + amount) as dividend_factor
    from owed
),

day_factors as (
    select
        corporate_actions.symbol,
        corporate_actions.ex_date,
        list_product(
            list(coalesce(share_factors.share_factor, 1.0) order by corporate_actions.action)
        ) as share_factor,
        list_product(
            list(coalesce(dividend_factors.dividend_factor, 1.0) order by corporate_actions.action)
        ) as dividend_factor
    from corporate_actions
    left join share_factors using (symbol, ex_date, action)
    left join dividend_factors using (symbol, ex_date, action)
    group by corporate_actions.symbol, corporate_actions.ex_date
    union all
    -- the stretch before the first action
    select distinct
        symbol,
        date '1900-01-01' as ex_date,
        1.0 as share_factor,
        1.0 as dividend_factor
    from corporate_actions
),

-- A price is adjusted for the actions after it. The lists are ordered, because a product of
-- floating-point numbers depends on their order.
final as (
    select
        symbol,
        ex_date as effective_from,
        coalesce(list_product(list(share_factor) over later), 1.0) as adjustment_factor,
        coalesce(list_product(list(share_factor * dividend_factor) over later), 1.0)
            as adjustment_factor_total
    from day_factors
    window later as (
        partition by symbol
        order by ex_date desc
        rows between unbounded preceding and 1 preceding
    )
)

select * from final
order by symbol, effective_from
