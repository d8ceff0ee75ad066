{% macro pattern_scan_query(
    presets, session_to_cutoff, expected_volumes, sessions, pattern_events, pattern_records
) -%}
{#- Daily and weekly bars have not ended in the session that is scanned. -#}
{%- set in_session = "timeframe not in ('1d', '1w')" %}

with

presets as (
    select * from {{ presets }}
),

to_cutoff as (
    select * from {{ session_to_cutoff }}
),

expected_volumes as (
    select * from {{ expected_volumes }}
),

sessions as (
    select * from {{ sessions }}
),

events as (
    select * from {{ pattern_events }}
),

records as (
    select * from {{ pattern_records }}
),

measures as (
    select
        to_cutoff.*,
        presets.* exclude (cutoff_time),
        expected_volumes.history_count,
        {{ relative_volume_or_null() }} as relative_volume
    from to_cutoff
    inner join presets using (cutoff_time)
    {{ with_expected_volumes() }}
),

-- sessions whose patterns still count
ages as (
    select
        symbol,
        session_date,
        cutoff_time,
        calendar,
        preset,
        timeframe,
        max_age_minutes,
        session_date + cutoff_time as scanned_ts,
        unnest(range(case when {{ in_session }} then 0 else 1 end, max_age_sessions + 1))
            as age_sessions
    from measures
),

shown as (
    select
        ages.symbol,
        ages.session_date,
        ages.cutoff_time,
        ages.calendar,
        ages.preset,
        ages.timeframe,
        events.direction,
        events.pattern,
        events.bar_ts as pattern_ts,
        events.known_ts,
        events.strength,
        events.upper_price,
        events.lower_price
    from ages
    inner join sessions using (calendar, session_date)
    inner join sessions as event_sessions
        on
            ages.calendar = event_sessions.calendar
            and sessions.session_number - ages.age_sessions = event_sessions.session_number
    inner join events
        on
            ages.symbol = events.symbol
            and ages.timeframe = events.timeframe
            and event_sessions.session_date = events.session_date
            and ages.scanned_ts >= events.known_ts
            and coalesce(
                ages.scanned_ts - to_minutes(ages.max_age_minutes) <= events.known_ts, true
            )
),

recorded as (
    select
        shown.*,
        records.case_count,
        records.hit_count,
        -- as little is said of too few cases as of none
        case when records.hit_ratio_low is not null then records.hit_ratio end as hit_ratio,
        records.hit_ratio_low,
        records.hit_ratio_high,
        records.base_ratio
    from shown
    asof left join records -- noqa: PRS
        on
            shown.calendar = records.calendar
            and shown.pattern = records.pattern
            and shown.direction = records.direction
            and shown.timeframe = records.timeframe
            and shown.session_date >= records.session_date
),

-- the pattern with the best record, by name on a tie, at its last occurrence
best as (
    select * from recorded
    qualify
        row_number() over (
            partition by symbol, session_date, cutoff_time, preset
            order by hit_ratio_low desc nulls last, pattern, known_ts desc
        ) = 1
),

checked as (
    select
        measures.symbol,
        measures.session_date,
        measures.cutoff_time,
        measures.calendar,
        measures.preset,
        measures.timeframe,
        measures.last_price,
        measures.relative_volume,
        best.direction,
        best.pattern,
        best.pattern_ts,
        best.known_ts,
        best.strength,
        best.case_count,
        best.hit_count,
        best.hit_ratio,
        best.hit_ratio_low,
        best.hit_ratio_high,
        best.base_ratio,
        -- in shares as traded on the day of the scan
        round(best.upper_price / measures.adjustment_factor, {{ price_decimals() }}) as upper_price,
        round(best.lower_price / measures.adjustment_factor, {{ price_decimals() }}) as lower_price,
        round(100 * best.hit_ratio_low, {{ score_decimals() }}) as score,
        case
            when measures.last_price < measures.min_price
                or measures.last_price > measures.max_price then 'price_out_of_bounds'
            when best.pattern is null then 'no_pattern'
            when measures.min_relative_volume is not null
                and coalesce(measures.history_count < measures.min_history_sessions, true)
                then 'missing_volume_history'
            when measures.min_relative_volume is not null and measures.relative_volume is null
                then 'no_volume_in_history'
            when measures.relative_volume < measures.min_relative_volume
                then 'relative_volume_too_low'
            when best.hit_ratio_low is null then 'too_few_cases'
            when best.hit_ratio_low < measures.min_hit_ratio_low then 'hit_ratio_too_low'
            when best.hit_ratio_low - best.base_ratio < measures.min_edge then 'edge_too_small'
        end as rejected_by
    from measures
    left join best using (symbol, session_date, cutoff_time, preset)
),

final as (
    select
        session_date,
        cutoff_time,
        preset,
        symbol,
        calendar,
        direction,
        last_price,
        timeframe,
        pattern,
        pattern_ts,
        known_ts,
        strength,
        upper_price,
        lower_price,
        case_count,
        hit_count,
        hit_ratio,
        hit_ratio_low,
        hit_ratio_high,
        base_ratio,
        relative_volume,
        score,
        {{ signal_rank('score') }} as signal_rank,
        rejected_by
    from checked
)

select * from final
{%- endmacro %}
