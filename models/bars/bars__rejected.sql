-- depends_on: {{ ref('bars__day_changes') }}
{{ config(
    materialized='changed_ranges',
    incremental_strategy='stale_bars',
) }}

with

checked_daily as (
    select * from {{ ref('bars__checked_daily') }}
),

checked_minutes as (
    select * from {{ ref('bars__checked_minutes') }}
),

unreadable_rows as (
    select * from {{ ref('stg_raw__unreadable_rows') }}
)

select
    symbol,
    '1d' as timeframe,
    session_date::timestamp as bar_ts,
    session_date,
    broken_rule as rule,
    open,
    high,
    low,
    close,
    volume,
    null::varchar as content,
    source,
    source_file,
    source_row,
    delivery,
    delivered_at
from checked_daily
where broken_rule is not null and is_stale_day
union all
select
    symbol,
    '1m' as timeframe,
    bar_ts,
    session_date,
    broken_rule as rule,
    open,
    high,
    low,
    close,
    volume,
    null::varchar as content,
    source,
    source_file,
    source_row,
    delivery,
    delivered_at
from checked_minutes
where broken_rule is not null and is_stale_day
union all
select
    null as symbol,
    null as timeframe,
    null as bar_ts,
    null as session_date,
    rule,
    null as open,
    null as high,
    null as low,
    null as close,
    null as volume,
    content,
    source,
    source_file,
    source_row,
    delivery,
    delivered_at
from unreadable_rows
