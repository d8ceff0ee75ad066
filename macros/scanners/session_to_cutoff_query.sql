{% macro session_to_cutoff_query(traded_to_cutoff) -%}
with

traded as (
    select * from {{ traded_to_cutoff }}
),

final as (
    select
        symbol,
        session_date,
        cutoff_time,
        calendar,
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        last_price,
        volume_to_cutoff,
        bar_count_to_cutoff,
        vwap_to_cutoff,
        obv_to_cutoff,
        mean_obv_to_cutoff,
        adjustment_factor
    from traded
    where not has_day_minute_conflict
)

select * from final
{%- endmacro %}
