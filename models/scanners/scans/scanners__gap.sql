with

scores as (
    select * from {{ ref('scanners__gap_scores') }}
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
        prior_close,
        gap_pct,
        gap_direction,
        filled_by_cutoff,
        change_pct,
        relative_volume,
        score,
        {{ signal_rank('score', "direction != 'none'") }} as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
