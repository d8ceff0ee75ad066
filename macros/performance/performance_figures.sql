{% macro performance_figures(returns, key, periods) -%}
{{ equity_paths(returns, key) }},

{{ drawdown_episodes(key) }},

deepest as (
    select *
    from episodes
    qualify row_number() over (partition by {{ key }} order by drawdown, start_date) = 1
),

figures as (
    select
        {{ key }},
        {{ return_figures('whole', periods) | indent(8) }}
    from paths
    window whole as (partition by {{ key }})
    qualify row_number() over (partition by {{ key }} order by session_date) = 1
),

final as (
    select
        {{ key }},
        figures.* exclude ({{ key }}),
        -- without any episode the drawdown is 0, unless a return is missing
        case figures.missing_return_count when 0 then coalesce(deepest.drawdown, 0) end
            as max_drawdown,
        case figures.missing_return_count when 0 then deepest.start_date end
            as drawdown_start_date,
        case figures.missing_return_count when 0 then deepest.trough_date end
            as drawdown_trough_date,
        case figures.missing_return_count when 0 then deepest.recovery_date end
            as drawdown_recovery_date,
        -- NULL if a return is missing, like cagr
        figures.cagr / -nullif(deepest.drawdown, 0) as calmar_ratio
    from figures
    left join deepest using ({{ key }})
)
{%- endmacro %}
