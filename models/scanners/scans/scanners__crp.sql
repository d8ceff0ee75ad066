with

scores as (
    select * from {{ ref('scanners__crp_scores') }}
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
        range_pct,
        momentum_pct,
        relative_volume,
        close_position,
        close_score,
        range_score,
        volume_score,
        momentum_score,
        score,
        {{ signal_rank('score', "direction != 'none' and score >= min_score") }}
            as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
