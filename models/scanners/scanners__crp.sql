with

scores as (
    select * from {{ ref('scanners__crp_scores') }}
    where rejected_by is null
),

ranked as (
    select
        *,
        direction != 'none' and crp_score >= min_score as is_signal
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
        last_price as crp_price,
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
        crp_score,
        if(
            is_signal,
            row_number() over (
                partition by calendar, session_date, cutoff_time, preset, is_signal
                order by crp_score desc, relative_volume desc, symbol
            ), null
        ) as signal_rank
    from ranked
)

select * from final
order by session_date, cutoff_time, preset, symbol
