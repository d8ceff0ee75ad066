with

signals as (
    select * from {{ ref('scanners__signals') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

-- a signal that is known at the close can be traded in the next session
final as (
    select
        signals.signal_id,
        signals.scanner,
        signals.preset,
        sessions.session_date,
        signals.known_ts,
        signals.symbol,
        signals.calendar,
        signals.direction,
        signals.score,
        signals.signal_rank,
        signals.entry_price,
        signals.stop_price,
        signals.target_price,
        signals.exit_time,
        signals.position_pct
    from signals
    asof left join sessions
        on signals.calendar = sessions.calendar and signals.known_ts < sessions.close_ts
)

select * from final
order by session_date, known_ts, scanner, preset, signal_rank
