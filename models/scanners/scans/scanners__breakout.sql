with

scores as (
    select * from {{ ref('scanners__breakout_scores') }}
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
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        volume_to_cutoff,
        resistance,
        support,
        breakout_pct,
        consolidation_pct,
        momentum_pct,
        relative_volume,
        coalesce(prior_day_break, false) as prior_day_break,
        coalesce(gapped, false) as gapped,
        distance_score,
        volume_score,
        momentum_score,
        score,
        {{ signal_rank('score') }} as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
