-- A signal has no outcome, or an outcome has neither a price nor a reason for its absence: bad
-- trades could go missing, and the rest would look better than they were.
with

signals as (
    select * from {{ ref('scanners__signals') }}
),

outcomes as (
    select * from {{ ref('backtests__outcomes') }}
)

select
    signal_id,
    outcomes.exit_price,
    outcomes.net_return,
    outcomes.missing_reason
from signals
full outer join outcomes using (signal_id)
where
    signals.signal_id is null
    or outcomes.signal_id is null
    or (outcomes.net_return is null) != (outcomes.missing_reason is not null)
    or (outcomes.exit_price is null) != (outcomes.exit_reason is null)
    or (outcomes.gross_return is null) != (outcomes.exit_price is null)
