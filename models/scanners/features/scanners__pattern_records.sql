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

-- one row per bar that decides a case: the event is `horizon_bars` bars earlier
outcomes as (
    select
        bars.symbol,
        bars.timeframe,
        bars.calendar,
        bars.session_date as decided_date,
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
        outcomes.decided_date,
        if(
            events.direction = 'long',
            outcomes.last_close > outcomes.first_close,
            outcomes.last_close < outcomes.first_close
        ) as is_hit
    from events
    inner join outcomes using (symbol, timeframe, bar_ts)
),

-- outcomes of all bars, with a pattern or without
decided_bars as (
    select
        calendar,
        timeframe,
        decided_date,
        count(*) as bar_count,
        count(*) filter (where last_close > first_close) as rise_count,
        count(*) filter (where last_close < first_close) as fall_count
    from outcomes
    where first_close is not null
    group by calendar, timeframe, decided_date
),

bases as (
    select
        calendar,
        timeframe,
        decided_date,
        sum(rise_count) over record / sum(bar_count) over record as rise_ratio,
        sum(fall_count) over record / sum(bar_count) over record as fall_ratio
    from decided_bars
    window record as (partition by calendar, timeframe order by decided_date)
),

decided as (
    select
        calendar,
        timeframe,
        pattern,
        direction,
        decided_date,
        count(*) as case_count,
        count(*) filter (where is_hit) as hit_count
    from cases
    group by calendar, timeframe, pattern, direction, decided_date
),

-- a case that is decided in one session may be used in the next
counts as (
    select
        decided.calendar,
        decided.timeframe,
        decided.pattern,
        decided.direction,
        next_sessions.session_date,
        if(decided.direction = 'long', bases.rise_ratio, bases.fall_ratio) as base_ratio,
        sum(decided.case_count) over record::bigint as case_count,
        sum(decided.hit_count) over record::bigint as hit_count
    from decided
    inner join bases using (calendar, timeframe, decided_date)
    inner join sessions as own_sessions
        on
            decided.calendar = own_sessions.calendar
            and decided.decided_date = own_sessions.session_date
    inner join sessions as next_sessions
        on
            own_sessions.calendar = next_sessions.calendar
            and own_sessions.session_number + 1 = next_sessions.session_number
    window record as (
        partition by decided.calendar, decided.timeframe, decided.pattern, decided.direction
        order by decided.decided_date
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
        if(
            case_count >= min_case_count,
            {{ wilson_bound('hit_count', 'case_count', 'low') }},
            null
        ) as hit_ratio_low,
        if(
            case_count >= min_case_count,
            {{ wilson_bound('hit_count', 'case_count', 'high') }},
            null
        ) as hit_ratio_high
    from ratios
)

select * from final
order by calendar, timeframe, pattern, direction, session_date
