-- `bars_of` or `indicator_history` does not return the stored rows of the named series.
{%- set symbol %}(
    select min(symbol) from {{ ref('bars__ohlcv') }} where timeframe = '1d'
){% endset %}

with

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where symbol = {{ symbol }} and timeframe = '1d'
),

momentum as (
    select * from {{ ref('indicators__momentum') }}
),

asked_bars as (
    select * from {{ function('bars_of') }}({{ symbol }}, '1d')
),

asked_history as (
    select * from {{ function('indicator_history') }}({{ symbol }}, '1d')
),

stored_history as (
    select
        symbol,
        timeframe,
        bar_ts,
        bars.bar_end,
        bars.adjusted_close,
        momentum.rsi_14
    from bars
    left join momentum using (symbol, timeframe, bar_ts)
),

different as (
    select
        'bars_of' as function_name,
        bar_ts
    from (
        (select * from asked_bars except all select * from bars)
        union all
        (select * from bars except all select * from asked_bars)
    )
    union all
    select
        'indicator_history' as function_name,
        bar_ts
    from (
        (
            select
                symbol,
                timeframe,
                bar_ts,
                bar_end,
                adjusted_close,
                rsi_14
            from asked_history
            except all
            select * from stored_history
        )
        union all
        (
            select * from stored_history
            except all
            select
                symbol,
                timeframe,
                bar_ts,
                bar_end,
                adjusted_close,
                rsi_14
            from asked_history
        )
    )
)

select * from different
