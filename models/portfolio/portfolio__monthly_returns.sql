with

equity as (
    select * from {{ ref('portfolio__equity') }}
),

-- ordered lists, because a product of floating-point numbers depends on the order
months as (
    select
        portfolio,
        basis,
        date_trunc('month', session_date)::date as month_date,
        count(*) as session_count,
        count(session_return) as return_count,
        count(benchmark_return) as benchmark_count,
        list_product(list(1 + session_return order by session_date)) as growth,
        list_product(list(1 + benchmark_return order by session_date)) as benchmark_growth
    from equity
    group by portfolio, basis, month_date
),

final as (
    select
        portfolio,
        basis,
        month_date,
        year(month_date) as calendar_year,
        month(month_date) as calendar_month,
        session_count,
        session_count - return_count as missing_return_count,
        if(return_count = session_count, growth - 1, null) as month_return,
        if(benchmark_count = session_count, benchmark_growth - 1, null) as benchmark_month_return,
        if(
            sum(return_count) over year_to_date = sum(session_count) over year_to_date,
            {{ exact_product('growth', 'over year_to_date') | indent(12) }} - 1,
            null
        ) as year_to_date_return
    from months
    window year_to_date as (
        partition by portfolio, basis, year(month_date) order by month_date
        rows between unbounded preceding and current row
    )
)

select * from final
order by portfolio, basis, month_date
