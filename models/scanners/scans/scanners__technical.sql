with

scores as (
    select * from {{ ref('scanners__technical_scores') }}
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
        rsi,
        histogram_pct,
        histogram_before_pct,
        ema_20,
        ema_50,
        bollinger_lower,
        bollinger_upper,
        adx,
        is_trend,
        relative_volume,
        rsi_vote::integer as rsi_vote,
        macd_vote::integer as macd_vote,
        ema_vote::integer as ema_vote,
        bollinger_vote::integer as bollinger_vote,
        supertrend_vote::integer as supertrend_vote,
        score,
        {{ signal_rank('score', "direction != 'none' and score >= min_score") }}
            as signal_rank
    from scores
)

select * from final
order by session_date, cutoff_time, preset, symbol
