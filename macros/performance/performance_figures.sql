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
        if(figures.missing_return_count = 0, coalesce(deepest.drawdown, 0), null) as max_drawdown,
        if(figures.missing_return_count = 0, deepest.start_date, null) as drawdown_start_date,
        if(figures.missing_return_count = 0, deepest.trough_date, null) as drawdown_trough_date,
        if(figures.missing_return_count = 0, deepest.recovery_date, null)
            as drawdown_recovery_date,
        -- NULL if a return is missing, like cagr
        figures.cagr / -nullif(deepest.drawdown, 0) as calmar_ratio
    from figures
    left join deepest using ({{ key }})
)
{%- endmacro %}
