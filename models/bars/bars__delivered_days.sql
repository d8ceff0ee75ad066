with

daily_bars as (
    select * from {{ ref('stg_raw__daily_bars') }}
),

minute_bars as (
    select * from {{ ref('bars__delivered_minutes') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

days as (
    select
        symbol,
        calendar,
        session_date,
        delivery,
        source,
        'daily' as kind,
        max(delivered_at) as last_delivered_at,
        count(*) as row_count,
        1::bigint as bar_count,
        session_date::timestamp as last_bar_end,
        sum(hash(open, high, low, close, volume)::hugeint) as content,
        coalesce(max({{ stated_volume() }}) > 0, false) as has_volume,
        {{ price_count() }} as price_count
    from daily_bars
    group by symbol, calendar, session_date, delivery, source
    union all
    select
        symbol,
        calendar,
        session_date,
        delivery,
        source,
        'minute' as kind,
        max(delivered_at) as last_delivered_at,
        count(*) as row_count,
        len(list_distinct(list(bar_ts))) as bar_count,
        max(bar_ts) + interval 1 minute as last_bar_end,
        sum(hash(bar_ts, open, high, low, close, volume)::hugeint) as content,
        coalesce(max({{ stated_volume() }}) > 0, false) as has_volume,
        {{ price_count() }} as price_count
    from minute_bars
    group by symbol, calendar, session_date, delivery, source
),

-- the single minutes matter only for a day that was still on when it was delivered
days_still_on as (
    select
        days.symbol,
        days.session_date,
        days.delivery
    from days
    inner join calendars using (calendar)
    where
        days.kind = 'minute'
        and not {{ over_when_delivered('days.last_bar_end', 'days.last_delivered_at') }}
),

ended_minutes as (
    select
        minute_bars.symbol,
        minute_bars.session_date,
        minute_bars.delivery,
        max(minute_bars.bar_ts) + interval 1 minute as last_bar_end
    from minute_bars
    semi join days_still_on using (symbol, session_date, delivery)
    inner join calendars using (calendar)
    where {{ over_when_delivered('minute_bars.bar_ts + interval 1 minute') }}
    group by minute_bars.symbol, minute_bars.session_date, minute_bars.delivery
),

-- a repeated row counts once, and the single rows matter only for such days
repeated_days as (
    select
        symbol,
        session_date,
        delivery,
        kind
    from days
    where row_count > bar_count
),

repeated_rows as (
    select
        symbol,
        session_date,
        delivery,
        'daily' as kind,
        hash(open, high, low, close, volume)::hugeint as content
    from daily_bars
    semi join repeated_days
        on
            daily_bars.symbol = repeated_days.symbol
            and daily_bars.session_date = repeated_days.session_date
            and daily_bars.delivery = repeated_days.delivery
            and repeated_days.kind = 'daily'
    union
    select
        symbol,
        session_date,
        delivery,
        'minute' as kind,
        hash(bar_ts, open, high, low, close, volume)::hugeint as content
    from minute_bars
    semi join repeated_days
        on
            minute_bars.symbol = repeated_days.symbol
            and minute_bars.session_date = repeated_days.session_date
            and minute_bars.delivery = repeated_days.delivery
            and repeated_days.kind = 'minute'
),

distinct_contents as (
    select
        symbol,
        session_date,
        delivery,
        kind,
        sum(content) as content
    from repeated_rows
    group by symbol, session_date, delivery, kind
),

identified as (
    select days.* replace (coalesce(distinct_contents.content, days.content) as content)
    from days
    left join distinct_contents using (symbol, session_date, delivery, kind)
),

-- A publishing error that happens: one symbol's prices under the names of many. Stocks that
-- each traded once, or at two prices, may well be alike.
copies as (
    select
        session_date,
        kind,
        source,
        content
    from identified
    where has_volume and price_count >= {{ var('min_copied_prices') }}
    group by session_date, kind, source, content
    having count(distinct symbol) >= {{ var('min_copied_symbols') }}
),

-- a symbol belongs to one exchange: that of its first delivery that names a known calendar
symbol_calendars as (
    select
        days.symbol,
        arg_min(
            days.calendar,
            (calendars.calendar is null, days.last_delivered_at, days.delivery, days.calendar)
        ) as symbol_calendar
    from days
    left join calendars using (calendar)
    group by days.symbol
),

final as (
    select
        identified.symbol,
        identified.session_date,
        identified.kind,
        identified.delivery,
        identified.source,
        identified.calendar,
        symbol_calendars.symbol_calendar,
        identified.last_delivered_at,
        identified.row_count,
        identified.bar_count,
        if(
            days_still_on.delivery is null, identified.last_bar_end, ended_minutes.last_bar_end
        ) as last_bar_end,
        copies.content is not null and identified.has_volume as is_copied,
        identified.calendar != symbol_calendars.symbol_calendar as is_of_another_calendar
    from identified
    inner join symbol_calendars using (symbol)
    left join copies using (session_date, kind, source, content)
    left join days_still_on
        on
            identified.symbol = days_still_on.symbol
            and identified.session_date = days_still_on.session_date
            and identified.delivery = days_still_on.delivery
            and identified.kind = 'minute'
    left join ended_minutes
        on
            identified.symbol = ended_minutes.symbol
            and identified.session_date = ended_minutes.session_date
            and identified.delivery = ended_minutes.delivery
            and identified.kind = 'minute'
)

select * from final
order by symbol, session_date
