with

trades as (
    select * from {{ ref('backtests__trades') }}
),

final as (
    select
        run_id,
        exit_reason,
        count(*) as trade_count,
        count(*) filter (where net_pnl_amount > 0) / count(*) as win_rate,
        sum(net_return)::double / count(*) as mean_trade_return,
        sum(net_pnl_amount)::decimal(18, 4) as net_pnl_amount
    from trades
    group by run_id, exit_reason
)

select * from final
order by run_id, exit_reason
