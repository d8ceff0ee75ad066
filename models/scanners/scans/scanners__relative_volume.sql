with

scores as (
    select * from {{ ref('scanners__relative_volume_scores') }}
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
        bars_to_cutoff,
        expected_volume,
        avg_daily_volume,
        relative_volume,
        change_pct,
        intraday_range_pct,
        momentum_class,
        score,
        {{ signal_rank('score', "direction != 'none'") }} as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
