with

scores as (
    select * from {{ ref('scanners__new_high_scores') }}
    where rejected_by is null
),

final as (
    select
        session_date,
        cutoff_time,
        preset,
        symbol,
        calendar,
        'long' as direction,
        last_price,
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        volume_to_cutoff,
        prior_high,
        prior_close,
        avg_daily_volume,
        new_high_pct,
        day_change_pct,
        volume_ratio,
        relative_volume,
        distance_score,
        volume_score,
        score,
        {{ signal_rank('score') }} as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
