{{ config(access='public') }}

with

events as (
    select * from {{ ref('scanners__pattern_events') }}
),

all_bars as (
    select * from {{ ref('bars__ohlcv') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

settings as (
    select * from {{ ref('pattern_settings') }}
),

-- seen from the bar that settles the case: the event lies `horizon_bars` bars back
outcomes as (
    select
        bars.symbol,
        bars.timeframe,
        bars.calendar,
        bars.session_date as settled_date,
        bars.adjusted_close as last_close,
        lag(bars.bar_ts, settings.horizon_bars) over series as bar_ts,
        lag(bars.adjusted_close, settings.horizon_bars) over series as first_close
    from all_bars as bars
    inner join settings using (timeframe)
    window series as (partition by bars.symbol, bars.timeframe order by bars.bar_number)
),

cases as (
    select
        events.calendar,
        events.timeframe,
        events.pattern,
        events.direction,
        outcomes.settled_date,
        if(
            events.direction = 'long',
            outcomes.last_close > outcomes.first_close,
            outcomes.last_close < outcomes.first_close
        ) as is_hit
    from events
    inner join outcomes using (symbol, timeframe, bar_ts)
),

-- what came of all bars, with a pattern or without
settled_bars as (
    select
        calendar,
        timeframe,
        settled_date,
        count(*) as bar_count,
        count(*) filter (where last_close > first_close) as rise_count,
        count(*) filter (where last_close < first_close) as fall_count
    from outcomes
    where first_close is not null
    group by calendar, timeframe, settled_date
),

bases as (
    select
        calendar,
        timeframe,
        settled_date,
        sum(rise_count) over record / sum(bar_count) over record as rise_ratio,
        sum(fall_count) over record / sum(bar_count) over record as fall_ratio
    from settled_bars
    window record as (partition by calendar, timeframe order by settled_date)
),

settled as (
    select
        calendar,
        timeframe,
        pattern,
        direction,
        settled_date,
        count(*) as case_count,
        count(*) filter (where is_hit) as hit_count
    from cases
    group by calendar, timeframe, pattern, direction, settled_date
),

-- what settles in a session is known in the next
counts as (
    select
        settled.calendar,
        settled.timeframe,
        settled.pattern,
        settled.direction,
        next_sessions.session_date,
        if(settled.direction = 'long', bases.rise_ratio, bases.fall_ratio) as base_ratio,
        sum(settled.case_count) over record::bigint as case_count,
        sum(settled.hit_count) over record::bigint as hit_count
    from settled
    inner join bases using (calendar, timeframe, settled_date)
    inner join sessions as own_sessions
        on
            settled.calendar = own_sessions.calendar
            and settled.settled_date = own_sessions.session_date
    inner join sessions as next_sessions
        on
            own_sessions.calendar = next_sessions.calendar
            and own_sessions.session_number + 1 = next_sessions.session_number
    window record as (
        partition by settled.calendar, settled.timeframe, settled.pattern, settled.direction
        order by settled.settled_date
    )
),

ratios as (
    select
        counts.*,
        settings.min_case_count,
        counts.hit_count / counts.case_count as hit_ratio
    from counts
    inner join settings using (timeframe)
),

final as (
    select
        calendar,
        pattern,
        direction,
        timeframe,
        session_date,
        case_count,
        hit_count,
        hit_ratio,
        base_ratio,
        if(case_count >= min_case_count, hit_ratio, null) as confidence,
        if(
            case_count >= min_case_count,
            {{ wilson_bound('hit_count', 'case_count', 'low') }},
            null
        ) as confidence_low,
        if(
            case_count >= min_case_count,
            {{ wilson_bound('hit_count', 'case_count', 'high') }},
            null
        ) as confidence_high
    from ratios
)

select * from final
order by calendar, timeframe, pattern, direction, session_date
