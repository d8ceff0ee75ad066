with

scores as (
    select * from {{ ref('scanners__opening_range_scores') }}
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
        stop_price,
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        volume_to_cutoff,
        range_minutes,
        range_high,
        range_low,
        vwap_to_cutoff,
        obv_to_cutoff,
        mean_obv_to_cutoff,
        change_pct,
        relative_volume,
        relative_volume_points,
        volume_points,
        long_obv_points,
        long_vwap_points,
        long_range_points,
        long_change_points,
        long_points,
        short_obv_points,
        short_vwap_points,
        short_range_points,
        short_change_points,
        short_points,
        score,
        {{ signal_rank('score') }} as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
