with

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe in ('1m', '1d')
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

seen as (
    select
        symbol,
        timeframe,
        calendar,
        session_date,
        count(*) as seen_bar_count,
        min(bar_ts) as first_bar_ts,
        max(bar_end) as last_bar_end,
        arg_min(volume, bar_ts) as first_bar_volume,
        median(volume) as median_volume
    from bars
    group by symbol, timeframe, calendar, session_date
),

lives as (
    select
        symbol,
        timeframe,
        calendar,
        min(session_date) as first_session_date,
        max(session_date) as last_session_date
    from seen
    group by symbol, timeframe, calendar
),

expected as (
    select
        lives.symbol,
        lives.timeframe,
        sessions.calendar,
        sessions.session_date,
        sessions.open_ts,
        sessions.close_ts,
        if(lives.timeframe = '1m', sessions.open_minutes, 1) as expected_bar_count
    from lives
    inner join sessions
        on
            lives.calendar = sessions.calendar
            and sessions.session_date between lives.first_session_date and lives.last_session_date
),

final as (
    select
        expected.symbol,
        expected.timeframe,
        expected.session_date,
        expected.calendar,
        expected.expected_bar_count,
        coalesce(seen.seen_bar_count, 0) as seen_bar_count,
        expected.expected_bar_count - coalesce(seen.seen_bar_count, 0) as missing_bar_count,
        seen.first_bar_ts,
        seen.last_bar_end,
        coalesce(seen.first_bar_ts > expected.open_ts, false) as is_late_start,
        coalesce(seen.last_bar_end < expected.close_ts, false) as is_early_end,
        -- a feed that starts late often has all volume since the open in its first bar
        if(seen.first_bar_ts > expected.open_ts, seen.first_bar_volume, null) as late_start_volume,
        if(
            seen.first_bar_ts > expected.open_ts,
            seen.first_bar_volume / nullif(seen.median_volume, 0),
            null
        ) as late_start_volume_ratio
    from expected
    left join seen using (symbol, timeframe, calendar, session_date)
    where coalesce(seen.seen_bar_count, 0) < expected.expected_bar_count
)

select * from final
order by symbol, timeframe, session_date
