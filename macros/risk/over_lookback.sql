{% macro over_lookback() -%}
over (
    partition by portfolio, horizon_days, lookback_days
    order by session_date
    rows between lookback_days preceding and 1 preceding
)
{%- endmacro %}
