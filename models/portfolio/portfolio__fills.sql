with

recorded as (
    select * from {{ ref('stg_journal__fills') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
    where source = 'fills'
),

calendars as (
    select * from {{ ref('calendars') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

-- the record written last counts, and a quantity of 0 cancels a fill; among records written at the
-- same time, the one with the smaller quantity counts (then the lower price, and so on)
latest as (
    select *
    from recorded
    window
        last_recorded as (
            partition by account, fill_key
            order by
                recorded_at desc,
                quantity asc,
                price asc,
                filled_at asc,
                charges_amount asc,
                symbol asc,
                side asc,
                order_id asc
        )
    qualify row_number() over last_recorded = 1
),

dated as (
    select
        portfolios.portfolio,
        portfolios.calendar,
        latest.*,
        (latest.filled_at at time zone 'UTC' at time zone calendars.timezone)::date as local_date
    from latest
    inner join portfolios on latest.account = portfolios.portfolio
    inner join calendars using (calendar)
    where latest.quantity > 0
),

final as (
    select
        dated.portfolio,
        dated.fill_key,
        dated.order_id,
        dated.strategy,
        dated.symbol,
        -- a fill on a day without a session belongs to the next one
        sessions.session_date,
        dated.filled_at,
        dated.side,
        dated.quantity,
        dated.price,
        if(dated.side = 'buy', dated.quantity, -dated.quantity) as bought_quantity,
        (dated.quantity * dated.price)::decimal(18, 4) as amount,
        dated.charges_amount
    from dated
    asof inner join sessions
        on dated.calendar = sessions.calendar and dated.local_date <= sessions.session_date
)

select * from final
order by portfolio, filled_at, fill_key
