{#- It omits the database's name, so that it can be read whatever the file is attached as. -#}
{{ config(materialized='view') }}

with

signals as (
    select * from {{ ref('scanners__signals').include(database=false) }}
),

outcomes as (
    select * from {{ ref('backtests__outcomes').include(database=false) }}
),

days as (
    select * from {{ ref('bars__symbol_days').include(database=false) }}
)

select
    signal_id,
    signals.session_date,
    signals.known_ts,
    signals.scanner,
    signals.preset,
    signals.signal_rank,
    signals.symbol,
    signals.calendar,
    signals.direction,
    signals.score,
    signals.entry_price as signal_price,
    signals.stop_price,
    signals.target_price,
    days.adjustment_factor,
    (signals.target_price - outcomes.entry_price)
    / nullif(outcomes.entry_price - signals.stop_price, 0) as reward_risk_ratio,
    outcomes.entry_ts,
    outcomes.entry_price,
    outcomes.exit_ts,
    outcomes.exit_price,
    outcomes.exit_reason,
    outcomes.gross_return,
    outcomes.net_return,
    outcomes.max_favorable_return,
    outcomes.max_adverse_return,
    outcomes.held_minutes,
    outcomes.missing_reason,
    outcomes.source,
    signals.evidence,
    signals.evidence::json::map(varchar, varchar) as evidence_map -- noqa: LT01
from signals
left join outcomes using (signal_id)
left join days on signals.symbol = days.symbol and signals.session_date = days.session_date
