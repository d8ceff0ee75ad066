{%- set tail = 0.025 %}

with

runs as (
    select * from {{ ref('backtests__runs') }}
),

settings as (
    select * from {{ ref('backtest_settings') }}
),

trades as (
    select * from {{ ref('backtests__trades') }}
),

results as (
    select
        trades.run_id,
        settings.bootstrap_count,
        list(trades.net_return order by trades.signal_id) as net_returns,
        range(count(*)) as trade_numbers
    from trades
    inner join runs using (run_id)
    inner join settings using (setting)
    group by trades.run_id, settings.bootstrap_count
    having count(*) >= {{ var('min_trade_count') }}
),

trade_numbers as (
    select
        run_id,
        bootstrap_count,
        net_returns,
        unnest(trade_numbers) as trade_number
    from results
),

-- a draw depends only on its number, so every build draws the same, and so do runs with the same
-- trades
draws as (
    select
        run_id,
        draw_number,
        sum(
            {{ sample_element('net_returns', 'trade_number', 'draw_number') }}
        )::double / count(*) as mean_trade_return
    from trade_numbers
    cross join lateral unnest(range(1, bootstrap_count + 1)) as numbers (draw_number)
    group by run_id, draw_number
),

final as (
    select
        run_id,
        quantile_cont(mean_trade_return, {{ tail }}) as mean_trade_return_low,
        quantile_cont(mean_trade_return, 1 - {{ tail }}) as mean_trade_return_high
    from draws
    group by run_id
)

select * from final
order by run_id
