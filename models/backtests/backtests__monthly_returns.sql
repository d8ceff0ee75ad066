with

equity as (
    select * from {{ ref('backtests__equity') }}
),

months as (
    select
        run_id,
        date_trunc('month', session_date)::date as month_date,
        count(*) as session_count,
        sum(trade_count)::bigint as trade_count,
        sum(net_pnl_amount)::decimal(18, 4) as net_pnl_amount,
        arg_min(opening_amount, session_date) as opening_amount
    from equity
    group by run_id, month_date
),

final as (
    select
        run_id,
        month_date,
        year(month_date) as calendar_year,
        month(month_date) as calendar_month,
        session_count,
        trade_count,
        opening_amount,
        net_pnl_amount,
        net_pnl_amount::double / nullif(opening_amount::double, 0) as month_return,
        (sum(net_pnl_amount) over year_to_date)::double
        / nullif((first_value(opening_amount) over year_to_date)::double, 0)
            as year_to_date_return
    from months
    window year_to_date as (
        partition by run_id, year(month_date) order by month_date
        rows between unbounded preceding and current row
    )
)

select * from final
order by run_id, month_date
