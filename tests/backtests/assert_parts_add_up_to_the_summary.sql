-- The months or the exits of a run do not add up to its summary, or its equity does not end where
-- the summary says: a month or an exit is missing or counts twice.
{{- config(group='backtests') }}
{%- set tolerance = 1e-9 %}

with

summary as (
    select * from {{ ref('backtests__summary') }}
),

equity as (
    select * from {{ ref('backtests__equity') }}
),

ends as (
    select
        run_id,
        arg_max(cumulative_return, session_date) as cumulative_return,
        arg_max(benchmark_cumulative_return, session_date) as benchmark_cumulative_return
    from equity
    group by run_id
),

months as (
    select
        run_id,
        sum(net_pnl_amount) as net_pnl_amount,
        sum(trade_count) as trade_count,
        sum(session_count) as session_count
    from {{ ref('backtests__monthly_returns') }}
    group by run_id
),

exits as (
    select
        run_id,
        sum(net_pnl_amount) as net_pnl_amount,
        sum(trade_count) as trade_count
    from {{ ref('backtests__exit_reasons') }}
    group by run_id
)

select summary.run_id
from summary
left join ends using (run_id)
left join months using (run_id)
left join exits using (run_id)
where
    months.net_pnl_amount is distinct from summary.net_pnl_amount
    or months.trade_count is distinct from summary.trade_count
    or months.session_count is distinct from summary.session_count
    or coalesce(exits.net_pnl_amount, 0) != summary.net_pnl_amount
    or coalesce(exits.trade_count, 0) != summary.trade_count
    or abs(ends.cumulative_return - summary.cumulative_return) > {{ tolerance }}
    or (
        summary.benchmark_coverage_ratio = 1
        and abs(ends.benchmark_cumulative_return - summary.benchmark_cumulative_return)
        > {{ tolerance }}
    )
    or (summary.benchmark is not null and ends.benchmark_cumulative_return is null)
