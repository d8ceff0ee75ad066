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

dividends as (
    select
        symbol,
        ex_date,
        dividend_amount
    from corporate_actions
    where action = 'dividend'
),

closes as (
    select
        symbol,
        session_date,
        session_date::timestamp as closed_at,
        delivered_at,
        close
    from daily_bars
    semi join dividends
        on
            daily_bars.symbol = dividends.symbol
            and daily_bars.session_date = dividends.ex_date
    where close > 0
    union all
    select
        symbol,
        session_date,
        bar_ts as closed_at,
        delivered_at,
        close
    from minute_bars
    semi join dividends
        on
            minute_bars.symbol = dividends.symbol
            and minute_bars.session_date = dividends.ex_date
    where close > 0
),

-- what the dividend buys shares at: the close of the day the share first trades without it
ex_dividend_closes as (
    select
        dividends.symbol,
        dividends.ex_date,
        arg_max(closes.close, (closes.closed_at, closes.delivered_at)) as close
    from dividends
    inner join closes
        on
            dividends.symbol = closes.symbol
            and dividends.ex_date = closes.session_date
    group by dividends.symbol, dividends.ex_date
),

action_factors as (
    select
        corporate_actions.symbol,
        corporate_actions.ex_date,
        corporate_actions.action,
        if(
            corporate_actions.action = 'dividend',
            1.0,
            corporate_actions.old_shares / corporate_actions.new_shares
        )::double as share_factor,
        if(
            corporate_actions.action = 'dividend',
            ex_dividend_closes.close
            / (ex_dividend_closes.close + corporate_actions.dividend_amount),
            1.0
        )::double as dividend_factor
    from corporate_actions
    left join ex_dividend_closes using (symbol, ex_date)
),

day_factors as (
    select
        symbol,
        ex_date,
        list_product(list(share_factor order by action)) as share_factor,
        list_product(list(coalesce(dividend_factor, 1.0) order by action)) as dividend_factor
    from action_factors
    group by symbol, ex_date
    union all
    -- the stretch before the first action
    select distinct
        symbol,
        date '1900-01-01' as ex_date,
        1.0 as share_factor,
        1.0 as dividend_factor
    from action_factors
),

-- a price is adjusted for what happened to the share after it; lists in order, for a product of
-- floating-point numbers depends on it
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
