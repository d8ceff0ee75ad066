{{ config(
    post_hook="{{ stale_list_record(
        ['bars__ohlcv', 'indicators__stale_symbols'],
        list_of_stale_bars(ref('bars__symbol_days'), ref('indicators__stale_symbols'))
    ) }}"
) }}
{%- set symbol_days = ref('bars__symbol_days') -%}
{%- set stale_symbols = ref('indicators__stale_symbols') -%}
{%- set is_increment = is_mostly_fresh(symbol_days, stale_symbols) -%}

with

stale_symbols as (
    select * from {{ ref('indicators__stale_symbols') }}
),

-- read twice, and too many to be kept in memory in between
bars as not materialized (
    select * from {{ ref('bars__ohlcv') }}
),

stale_series as (
    select
        symbol,
        timeframe,
        min(bars.bar_number) as first_stale_bar
    from bars
    inner join stale_symbols using (symbol)
    where
        bars.bar_ts >= ({{ first_stale_ts(ref('indicators__stale_symbols')) }})
        and bars.bar_ts
        >= if(
            bars.timeframe = '1w', stale_symbols.stale_week_from_ts, stale_symbols.stale_from_ts
        )
    group by symbol, timeframe
)

select
    bars.symbol,
    bars.timeframe,
    bars.bar_ts,
    bars.bar_number,
    bars.session_bar_number,
    bars.adjusted_open,
    bars.adjusted_high,
    bars.adjusted_low,
    bars.adjusted_close,
    bars.adjusted_volume,
    stale_series.first_stale_bar
from bars
inner join stale_series using (symbol, timeframe)
where
    -- if nothing was built before, families are built from all bars instead
    {{ is_increment | lower }}
    and bars.bar_number >= stale_series.first_stale_bar - {{ stale_bars_before() }}
order by bars.symbol, bars.timeframe, bars.bar_ts
