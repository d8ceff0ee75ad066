-- An account has spent more than it may: cash is below zero without leverage, or farther below
-- than leverage allows, or has more positions than its setting has room for.
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

crowds as (
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
    crowds.run_id,
    crowds.session_date,
    crowds.trade_count,
    crowds.entry_amount,
    lowest.cash_amount
from crowds
inner join lowest using (run_id, session_date)
inner join equity using (run_id, session_date)
inner join runs using (run_id)
inner join settings using (setting)
where
    lowest.cash_amount < equity.opening_amount * least(0, 1 - settings.max_leverage_ratio)
    or crowds.entry_amount > equity.opening_amount * settings.max_leverage_ratio
    or crowds.largest_amount > equity.opening_amount * settings.max_symbol_pct / 100
    or crowds.trade_count > settings.max_positions
