{%- set is_signal -%}
coalesce(confidence_low >= min_confidence_low, false)
and coalesce(confidence_low - base_ratio >= min_edge, true)
{%- endset %}
with

scores as (
    select * from {{ ref('scanners__pattern_scores') }}
    where rejected_by is null
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
        confidence,
        confidence_low,
        confidence_high,
        base_ratio,
        relative_volume,
        score,
        {{ signal_rank('score', is_signal) }} as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
