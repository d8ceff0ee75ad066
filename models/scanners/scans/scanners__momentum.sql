with

scores as (
    select * from {{ ref('scanners__momentum_scores') }}
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
        expected_volume,
        change_pct,
        relative_volume,
        change_score,
        volume_score,
        score,
        {{ signal_rank('score') }} as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
