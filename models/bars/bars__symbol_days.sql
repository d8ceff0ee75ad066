{#-
    What each day of each symbol is made of. Two builds agree on a day exactly if its version is
    the same, so the next build can see what to compute again.
-#}
{%- set code_version = code_checksum(
    [
        'bars__ohlcv',
        'bars__rejected',
        'bars__checked_daily',
        'bars__checked_minutes',
        'bars__delivered_minutes',
        'bars__ticked_minutes',
        'bars__recordings',
        'stg_raw__daily_bars',
        'stg_raw__minute_bars',
        'stg_journal__ticks',
    ],
    [
        ohlcv_query('daily', 'minutes', 'symbol_days', 'sessions', 'symbols'),
        checked_minutes_query(
            'minutes', 'symbols', 'symbol_days', 'days', 'calendars', 'sessions', 'ranks'
        ),
        ticked_minutes_query('ticks', 'recordings', 'calendars'),
        ruled_rows('rows', 'daily'),
    ]
) -%}

with

delivered_days as (
    select * from {{ ref('bars__delivered_days') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

precedences as (
    select * from {{ ref('source_precedence') }}
),

adjustments as (
    select * from {{ ref('bars__adjustment_factors') }}
),

-- How far the data of a market reaches: a bar that ends later is not over yet. A bar that was
-- still on when it was delivered, or whose symbol belongs to another market, does not count.
horizons as (
    select
        calendar,
        max(
            if(
                delivered_days.kind = 'daily',
                sessions.close_ts,
                least(delivered_days.last_bar_end, sessions.close_ts)
            )
        ) as known_until
    from delivered_days
    inner join sessions using (calendar, session_date)
    inner join calendars using (calendar)
    where
        not delivered_days.is_of_another_calendar
        and if(
            delivered_days.kind = 'daily',
            {{ over_when_delivered('sessions.close_ts', 'delivered_days.last_delivered_at') }},
            delivered_days.last_bar_end is not null
        )
    group by calendar
),

days as (
    select
        symbol,
        symbol_calendar as calendar,
        session_date,
        count(distinct delivery) as delivery_count,
        list_sort(
            list((delivery, coalesce(precedence, 0), is_copied, is_of_another_calendar))
        ) as deliveries,
        bool_or(row_count > bar_count) as has_repeats
    from delivered_days
    left join precedences using (source)
    group by symbol, symbol_calendar, session_date
),

final as (
    select
        days.symbol,
        days.session_date,
        days.calendar,
        horizons.known_until,
        days.delivery_count,
        days.delivery_count > 1 or days.has_repeats as is_contested,
        coalesce(adjustments.adjustment_factor, 1) as adjustment_factor,
        coalesce(adjustments.adjustment_factor_total, 1) as adjustment_factor_total,
        coalesce(horizons.known_until >= sessions.week_close_ts, false) as is_week_over,
        hash(
            '{{ code_version }}',
            days.deliveries,
            calendars.timezone,
            calendars.late_tick_seconds,
            sessions.parts,
            sessions.week_close_ts,
            -- a date without a session has no bar, however far the data reaches
            if(
                horizons.known_until < sessions.close_ts, horizons.known_until, sessions.close_ts
            ),
            adjustments.adjustment_factor,
            adjustments.adjustment_factor_total
        ) as version
    from days
    left join calendars using (calendar)
    left join sessions using (calendar, session_date)
    left join horizons using (calendar)
    asof left join adjustments
        on
            days.symbol = adjustments.symbol
            and days.session_date >= adjustments.effective_from
)

select * from final
order by symbol, session_date
