-- An account has spent more than it may: cash is below zero without leverage or lower than leverage
-- allows, or it holds more positions, or larger ones, than its setting allows.
{{- config(group='backtests') }}

with

runs as (
    select * from {{ ref('backtests__runs') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
),

equity as (
    select * from {{ ref('backtests__equity') }}
),

fills as (
    select * from {{ ref('backtests__fills') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
),

totals as (
    select
        run_id,
        session_date,
        count(*) as trade_count,
        max(entry_amount) as largest_amount,
        sum(entry_amount) as entry_amount
    from trades
    group by run_id, session_date
),

lowest as (
    select
        run_id,
        session_date,
        min(cash_amount) as cash_amount
    from fills
    group by run_id, session_date
)

select
    totals.run_id,
    totals.session_date,
    totals.trade_count,
    totals.entry_amount,
    lowest.cash_amount
from totals
inner join lowest using (run_id, session_date)
inner join equity using (run_id, session_date)
inner join runs using (run_id)
inner join settings using (setting)
where
    lowest.cash_amount < equity.opening_amount * least(0, 1 - settings.max_leverage_ratio)
    or totals.entry_amount > equity.opening_amount * settings.max_leverage_ratio
    or totals.largest_amount > equity.opening_amount * settings.max_symbol_pct / 100
    or totals.trade_count > settings.max_positions
