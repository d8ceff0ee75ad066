{% macro last_five_minutes_query(session_to_cutoff, bars, volatility, directional_movement) -%}
with

to_cutoff as (
    select * from {{ session_to_cutoff }}
),

bars as (
    select * from {{ bars }}
    where timeframe = '5m'
),

volatility as (
    select * from {{ volatility }}
    where timeframe = '5m'
),

directional_movement as (
    select * from {{ directional_movement }}
    where timeframe = '5m'
),

last_bars as (
    select
        to_cutoff.symbol,
        to_cutoff.session_date,
        to_cutoff.cutoff_time,
        max(bars.bar_ts) as bar_ts
    from to_cutoff
    inner join bars using (symbol, session_date)
    where bars.bar_end <= to_cutoff.session_date + to_cutoff.cutoff_time
    group by
        to_cutoff.symbol,
        to_cutoff.session_date,
        to_cutoff.cutoff_time
),

final as (
    select
        last_bars.symbol,
        last_bars.session_date,
        last_bars.cutoff_time,
        last_bars.bar_ts,
        volatility.natr_14,
        directional_movement.adx_14
    from last_bars
    inner join volatility using (symbol, bar_ts)
    inner join directional_movement using (symbol, bar_ts)
)

select * from final
{%- endmacro %}
