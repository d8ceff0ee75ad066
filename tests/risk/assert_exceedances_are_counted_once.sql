-- risk.var_backtest counts more or fewer VaR breaches than there are.
with

backtests as (
    select * from {{ ref('risk__var_backtest') }}
    where period = 'all'
),

estimates as (
    select * from {{ ref('risk__var_estimates') }}
    where horizon_sessions = 1
),

returns as (
    select * from {{ ref('portfolio__returns') }}
),

counts as (
    select
        portfolio,
        estimates.method,
        estimates.confidence,
        estimates.lookback_sessions,
        count(returns.gross_return + estimates.var_return) as session_count,
        count(*) filter (where -returns.gross_return > estimates.var_return) as exceedance_count
    from estimates
    inner join returns using (portfolio, session_date)
    group by portfolio, estimates.method, estimates.confidence, estimates.lookback_sessions
    having count(returns.gross_return + estimates.var_return) > 0
)

select
    portfolio,
    method,
    confidence,
    lookback_sessions
from counts
full outer join backtests using (portfolio, method, confidence, lookback_sessions)
where
    counts.session_count is distinct from backtests.session_count
    or counts.exceedance_count is distinct from backtests.exceedance_count
