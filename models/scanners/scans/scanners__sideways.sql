with

scores as (
    select * from {{ ref('scanners__sideways_scores') }}
    where rejected_by is null
),

final as (
    select
        session_date,
        cutoff_time,
        preset,
        symbol,
        calendar,
        'none' as direction,
        last_price,
        atr_pct,
        adx,
        vwap_distance_pct,
        obv_slope,
        relative_volume,
        has_small_range,
        has_no_trend,
        is_near_vwap,
        has_flat_obv,
        has_low_volume,
        condition_count,
        is_sideways,
        score,
        null::bigint as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
