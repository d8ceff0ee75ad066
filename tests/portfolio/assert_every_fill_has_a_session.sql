-- A fill of an account that is a portfolio belongs to no session, because the hours of its calendar
-- end before it. The account's holdings and cash would lack the fill.

with

recorded as (
    select * from {{ ref('stg_journal__fills') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
    where source = 'fills'
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

fills as (
    select * from {{ ref('portfolio__fills') }}
),

-- a quantity of 0 cancels a fill
latest as (
    select *
    from recorded
    qualify rank() over (partition by account, fill_key order by recorded_at desc) = 1
),

valid_fills as (
    select
        latest.account as portfolio,
        portfolios.calendar,
        latest.fill_key,
        max(latest.filled_at) as filled_at
    from latest
    inner join portfolios on latest.account = portfolios.portfolio
    group by latest.account, portfolios.calendar, latest.fill_key
    having min(latest.quantity) > 0
),

ends as (
    select
        calendar,
        max(session_date) as last_session_date
    from sessions
    group by calendar
)

select
    format(
        'fill {} of {} at {} UTC is in no session: {} ends on {}; give it hours for longer in '
        || 'seeds/calendars/regular_hours.csv',
        valid_fills.fill_key,
        valid_fills.portfolio,
        valid_fills.filled_at,
        valid_fills.calendar,
        coalesce(ends.last_session_date::varchar, 'no day')
    ) as problem
from valid_fills
anti join fills using (portfolio, fill_key)
left join ends using (calendar)
order by valid_fills.portfolio, valid_fills.fill_key
