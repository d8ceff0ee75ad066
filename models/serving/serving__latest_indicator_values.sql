{#- It omits the database's name, so that it can be read whatever the file is attached as. -#}
{{ config(materialized='view') }}

with

latest_indicators as (
    select * from {{ ref('serving__latest_indicators').include(database=false) }}
),

catalog as (
    select * from {{ ref('serving__indicator_catalog').include(database=false) }}
),

known_values as (
    select
        symbol,
        timeframe,
        bar_ts,
        column_name,
        value
    from latest_indicators unpivot ( -- noqa: PRS
        value for column_name in (
            columns(* exclude (symbol, timeframe, bar_ts, bar_end, close))::double
        )
    )
),

-- A column's name is its output and then the periods: macd_signal_12_26_9. An output may itself end
-- in a number: vwap_upper_1.
named_columns as (
    select
        names.column_name,
        catalog.indicator,
        catalog.output,
        nullif(
            replace(names.column_name[length(catalog.output) + 2:], '_', ', '), ''
        ) as periods
    from (select distinct column_name from known_values) as names
    inner join catalog on starts_with(names.column_name, catalog.output)
    where
        regexp_full_match(names.column_name[length(catalog.output) + 1:], '(_[0-9]+)*')
    qualify
        row_number() over (
            partition by names.column_name order by length(catalog.output) desc
        ) = 1
)

select
    known_values.symbol,
    known_values.timeframe,
    known_values.bar_ts,
    named_columns.indicator,
    named_columns.periods,
    named_columns.output,
    known_values.value
from known_values
inner join named_columns using (column_name)
