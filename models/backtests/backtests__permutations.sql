{{ config(access='private') }}

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

signals as (
    select * from {{ ref('backtests__signals') }}
),

held_returns as (
    select * from {{ ref('backtests__held_returns') }}
),

choices as (
    select
        trades.run_id,
        trades.signal_id,
        settings.permutation_count,
        if(trades.direction = 'long', 1, -1) as side,
        held_returns.held_return_pcts,
        held_returns.held_return_pct_by_symbol[trades.symbol] as chosen_pct
    from trades
    inner join runs using (run_id)
    inner join settings using (setting)
    inner join signals using (signal_id)
    inner join held_returns
        on signals.calendar = held_returns.calendar
            and signals.session_date = held_returns.session_date
            and signals.known_at = held_returns.known_at
            and signals.session_date + signals.exit_time::time = held_returns.latest_exit_ts
),

chosen as (
    select
        run_id,
        sum((side * chosen_pct)::decimal(18, 6))::double / count(*) as chosen_mean_pct
    from choices
    group by run_id
),

-- the draw's number decides, so that every build draws alike, and so do runs of the same trades
draws as (
    select
        run_id,
        draw_number,
        sum(
            (
                side * {{ drawn('held_return_pcts', 'signal_id', 'draw_number') }}
            )::decimal(18, 6)
        )::double / count(*) as random_mean_pct
    from choices
    cross join lateral unnest(range(1, permutation_count + 1)) as numbers (draw_number)
    group by run_id, draw_number
),

final as (
    select
        run_id,
        chosen.chosen_mean_pct,
        sum(draws.random_mean_pct::decimal(18, 9))::double / count(*) as random_mean_pct,
        (1 + count(*) filter (where draws.random_mean_pct >= chosen.chosen_mean_pct))
        / (1 + count(*)) as permutation_p_value
    from chosen
    inner join draws using (run_id)
    group by run_id, chosen.chosen_mean_pct
)

select * from final
order by run_id
