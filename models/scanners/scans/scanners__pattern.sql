with

scores as (
    select * from {{ ref('scanners__pattern_scores') }}
    where rejected_by is null
),

ranked as (
    select
        *,
        coalesce(confidence_low >= min_confidence_low, false)
        and coalesce(confidence_low - base_ratio >= min_edge, true) as is_signal
    from scores
),

final as (
    select
        session_date,
        cutoff_time,
        preset,
        symbol,
        calendar,
        direction,
        last_price as pattern_price,
        timeframe,
        pattern,
        pattern_ts,
        known_ts,
        strength,
        upper_price,
        lower_price,
        case_count,
        hit_count,
        confidence,
        confidence_low,
        confidence_high,
        base_ratio,
        relative_volume,
        pattern_score,
        if(
            is_signal,
            row_number() over (
                partition by calendar, session_date, cutoff_time, preset, is_signal
                order by pattern_score desc, relative_volume desc, symbol
            ), null
        ) as signal_rank
    from ranked
)

select * from final
order by session_date, cutoff_time, preset, symbol
