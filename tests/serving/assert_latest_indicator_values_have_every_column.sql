-- A value of serving.latest_indicators has no row in serving.latest_indicator_values, or has two:
-- no output of the catalog begins the name of its column.
with

latest_indicators as (
    select * from {{ ref('serving__latest_indicators') }}
),

found as (
    select
        symbol,
        timeframe,
        count(*) as value_count
    from {{ ref('serving__latest_indicator_values') }}
    group by symbol, timeframe
),

expected as (
    select
        symbol,
        timeframe,
        count(value) as value_count
    from latest_indicators unpivot include nulls ( -- noqa: PRS
        value for column_name in (
            columns(* exclude (symbol, timeframe, bar_ts, bar_end, close))::double
        )
    )
    group by symbol, timeframe
)

select *
from expected
left join found using (symbol, timeframe)
where expected.value_count != coalesce(found.value_count, 0)
