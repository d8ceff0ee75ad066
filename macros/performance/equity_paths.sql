{% macro equity_paths(returns, key) -%}
grown as (
    select
        *,
        case
            when count(*) over to_date = count(session_return) over to_date
                then {{ exact_product('1 + session_return', 'over to_date') }}
        end as equity_ratio
    from {{ returns }}
    window to_date as (
        partition by {{ key }} order by session_date
        rows between unbounded preceding and current row
    )
),

peaks as (
    select
        *,
        if(equity_ratio is null, null, greatest(1, max(equity_ratio) over to_date)) as peak_ratio
    from grown
    window to_date as (
        partition by {{ key }} order by session_date
        rows between unbounded preceding and current row
    )
),

paths as (
    select
        *,
        {{ drawdown('equity_ratio', 'peak_ratio') }} as drawdown
    from peaks
)
{%- endmacro %}
