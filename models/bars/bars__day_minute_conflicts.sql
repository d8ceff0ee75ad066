{{ config(meta={'records_code': true}) }}
{%- set max_ratio = var('max_day_minute_ratio') -%}
{%- set max_unseen_ratio = var('min_jump_ratio') -%}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe in ('1h', '1d')
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

days as (
    select
        symbol,
        calendar,
        session_date,
        high,
        low,
        close,
        adjustment_factor,
        source
    from bars
    where timeframe = '1d'
),

-- hours are always made of minutes, even if the day was delivered
minutes as (
    select
        symbol,
        calendar,
        session_date,
        max(high) as high,
        min(low) as low,
        arg_min(open, bar_ts) as open,
        arg_max(close, bar_ts) as close,
        min(bar_ts) as first_hour_ts,
        max(bar_end) as last_hour_end,
        any_value(adjustment_factor) as adjustment_factor,
        {{ source_of_all() }} as source
    from bars
    where timeframe = '1h'
    group by symbol, calendar, session_date
),

own_minutes as (
    select
        days.symbol,
        days.calendar,
        days.session_date,
        'own_minutes' as compared_with,
        days.high as day_high,
        minutes.high as minute_high,
        {{ larger_over_smaller('days.high', 'minutes.high') }} as high_ratio,
        days.low as day_low,
        minutes.low as minute_low,
        {{ larger_over_smaller('days.low', 'minutes.low') }} as low_ratio,
        days.close as day_close,
        minutes.close as minute_close,
        {{ larger_over_smaller('days.close', 'minutes.close') }} as close_ratio,
        days.source as day_source,
        minutes.source as minute_source,
        -- No minute trades outside its day. Within it, missing minutes may have traded anywhere.
        greatest(minutes.high / days.high, days.low / minutes.low) > {{ max_ratio }}
        or greatest(high_ratio, low_ratio, close_ratio) > if(
            minutes.first_hour_ts = sessions.open_ts and minutes.last_hour_end = sessions.close_ts,
            {{ max_ratio }},
            {{ max_unseen_ratio }}
        ) as is_conflict
    from days
    inner join minutes using (symbol, calendar, session_date)
    inner join sessions using (calendar, session_date)
),

-- a day without minutes is compared with the first price of the next session, if that has any
next_opens as (
    select
        days.symbol,
        days.calendar,
        days.session_date,
        'next_open' as compared_with,
        days.close as day_close,
        next_minutes.open * (next_minutes.adjustment_factor / days.adjustment_factor)
            as minute_close,
        {{ larger_over_smaller('day_close', 'minute_close') }} as close_ratio,
        days.source as day_source,
        next_minutes.source as minute_source,
        close_ratio >= {{ max_unseen_ratio }} as is_conflict
    from days
    inner join sessions using (calendar, session_date)
    inner join sessions as next_sessions
        on
            sessions.calendar = next_sessions.calendar
            and sessions.session_number + 1 = next_sessions.session_number
    inner join minutes as next_minutes
        on
            days.symbol = next_minutes.symbol
            and next_sessions.session_date = next_minutes.session_date
    anti join minutes
        on
            days.symbol = minutes.symbol
            and days.session_date = minutes.session_date
),

compared as (
    select * from own_minutes
    union all by name
    select * from next_opens
),

agreeing as (
    select
        symbol,
        session_date as agreed_date
    from own_minutes
    where not is_conflict
),

conflicts as (
    select * from compared
    where is_conflict
),

final as (
    select
        conflicts.symbol,
        conflicts.session_date,
        conflicts.calendar,
        conflicts.compared_with,
        conflicts.day_high,
        conflicts.minute_high,
        conflicts.high_ratio,
        conflicts.day_low,
        conflicts.minute_low,
        conflicts.low_ratio,
        conflicts.day_close,
        conflicts.minute_close,
        conflicts.close_ratio,
        agreeing.agreed_date,
        conflicts.day_source,
        conflicts.minute_source
    from conflicts
    asof left join agreeing -- noqa: PRS
        on
            conflicts.symbol = agreeing.symbol
            and conflicts.session_date < agreeing.agreed_date
)

select * from final
order by symbol, session_date
