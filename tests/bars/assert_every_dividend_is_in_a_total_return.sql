-- From one day to the next, the change of the fully adjusted price is not a holder's total return:
-- the close plus everything paid since the previous day. A dividend is missing, or it bought shares
-- at another price than the first close after it.
with

factors as (
    select * from {{ ref('bars__adjustment_factors') }}
),

days as (
    select
        symbol,
        session_date,
        close,
        adjustment_factor,
        close * adjustment_factor_total as total_return_close,
        lag(session_date) over by_day as prior_session_date,
        lag(close * adjustment_factor) over by_day / adjustment_factor as prior_close,
        lag(close * adjustment_factor_total) over by_day as prior_total_return_close
    from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
    window by_day as (partition by symbol order by session_date)
),

dividends as (
    select * from {{ ref('corporate_actions') }}
    where action = 'dividend'
),

-- in the shares of the day of the close
paid as (
    select
        days.symbol,
        days.session_date,
        sum(
            dividends.dividend_amount * factors.adjustment_factor / days.adjustment_factor
        ) as amount
    from days
    inner join dividends
        on
            days.symbol = dividends.symbol
            and days.prior_session_date < dividends.ex_date
            and days.session_date >= dividends.ex_date
    inner join factors
        on
            dividends.symbol = factors.symbol
            and dividends.ex_date = factors.effective_from
    group by days.symbol, days.session_date
)

select
    days.symbol,
    days.session_date,
    days.total_return_close / days.prior_total_return_close - 1 as total_return,
    (days.close + coalesce(paid.amount, 0)) / days.prior_close - 1 as expected_total_return
from days
semi join factors using (symbol)
left join paid using (symbol, session_date)
where
    days.prior_session_date is not null
    and coalesce(
        abs(
            days.total_return_close / days.prior_total_return_close
            / ((days.close + coalesce(paid.amount, 0)) / days.prior_close)
            - 1
        ) > 1e-9,
        true
    )
