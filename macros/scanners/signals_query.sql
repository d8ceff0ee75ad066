{% macro signals_query(data_version) -%}

with

publication as (
    select * from {{ data_version }}
),

candidates as (
    {%- for scanner in signal_scanners() %}
    {{ scanner_signals(scanner) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

directed as (
    select
        *,
        if(direction = 'long', 1, -1) as sign
    from candidates
),

final as (
    select
        md5(
            concat_ws(
                '|',
                directed.scanner,
                directed.preset,
                directed.session_date,
                regexp_replace(directed.cutoff_time::varchar, ':00$', ''),
                directed.symbol
            )
        ) as signal_id,
        directed.scanner,
        directed.preset,
        directed.session_date,
        directed.session_date + directed.cutoff_time as known_ts,
        directed.symbol,
        directed.calendar,
        directed.direction,
        directed.score,
        directed.signal_rank,
        directed.entry_price,
        round(
            coalesce(
                directed.stop_price,
                directed.entry_price * (1 - directed.sign * directed.stop_loss_pct / 100)
            ), {{ price_decimals() }}
        ) as stop_price,
        round(
            coalesce(
                directed.target_price,
                directed.entry_price * (1 + directed.sign * directed.take_profit_pct / 100)
            ), {{ price_decimals() }}
        ) as target_price,
        directed.exit_time,
        directed.position_pct,
        directed.evidence,
        directed.scanner_version,
        publication.data_version
    from directed
    cross join publication
)

select * from final
{%- endmacro %}
