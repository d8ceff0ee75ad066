{% macro performance_figures(returns, key, periods) -%}
{{ equity_paths(returns, key) }},

{{ drawdown_spells(key) }},

deepest as (
    select *
    from spells
    qualify row_number() over (partition by {{ key }} order by drawdown, start_date) = 1
),

figures as (
    select
        {{ key }},
        {{ return_figures('to_date', periods) | indent(8) }}
    from paths
    window to_date as (
        partition by {{ key }} order by session_date
        rows between unbounded preceding and current row
    )
    qualify row_number() over (partition by {{ key }} order by session_date desc) = 1
),

final as (
    select
        {{ key }},
        figures.* exclude ({{ key }}),
        -- without any spell the drawdown is 0, unless a return is missing
        case when figures.missing_return_count = 0 then coalesce(deepest.drawdown, 0) end
            as max_drawdown,
        case when figures.missing_return_count = 0 then deepest.start_date end as drawdown_start_date,
        case when figures.missing_return_count = 0 then deepest.trough_date end as drawdown_trough_date,
        case when figures.missing_return_count = 0 then deepest.recovery_date end
            as drawdown_recovery_date,
        case
            when figures.missing_return_count = 0
                then figures.cagr / -nullif(deepest.drawdown, 0)
        end as calmar_ratio
    from figures
    left join deepest using ({{ key }})
)
{%- endmacro %}
