{#-
    A view, because a series falls behind with time. It omits the database's name, so that it can
    be read whatever the file is attached as.
-#}
{{ config(materialized='view') }}
{#- A series that stops so many sessions before its market has ended, like a delisted stock's. -#}
{%- set max_late_sessions = 20 %}

with

staleness as (
    select * from {{ ref('bars__staleness').include(database=false) }}
),

missing as (
    select * from {{ ref('bars__missing').include(database=false) }}
),

rejected as (
    select * from {{ ref('bars__rejected').include(database=false) }}
),

restatements as (
    select * from {{ ref('bars__restatements').include(database=false) }}
),

jumps as (
    select * from {{ ref('bars__suspect_jumps').include(database=false) }}
),

extremes as (
    select * from {{ ref('bars__suspect_extremes').include(database=false) }}
),

conflicts as (
    select * from {{ ref('bars__day_minute_conflicts').include(database=false) }}
),

findings as (
    select
        symbol,
        timeframe,
        'missing_bars' as finding,
        null::varchar as rule,
        session_date
    from missing
    union all
    select
        symbol,
        timeframe,
        'rejected_row' as finding,
        rule,
        session_date
    from rejected
    union all
    select
        symbol,
        timeframe,
        'restatement' as finding,
        null as rule,
        session_date
    from restatements
    union all
    select
        symbol,
        '1d' as timeframe,
        'unexplained_jump' as finding,
        null as rule,
        session_date
    from jumps
    where explanation is null
    union all
    select
        symbol,
        '1d' as timeframe,
        'suspect_' || kind as finding,
        null as rule,
        session_date
    from extremes
    union all
    select
        symbol,
        '1d' as timeframe,
        case when agreed_date is null then 'open' else 'resolved' end
        || '_day_minute_conflict' as finding,
        null as rule,
        session_date
    from conflicts
)

select
    symbol,
    timeframe,
    finding,
    rule,
    count(*) as finding_count,
    min(session_date) as first_session_date,
    max(session_date) as last_session_date
from findings
group by symbol, timeframe, finding, rule
union all
select
    symbol,
    timeframe,
    'behind' as finding,
    null as rule,
    sessions_behind_now as finding_count,
    last_session_date as first_session_date,
    closed_session_date as last_session_date
from staleness
where sessions_behind_now > 0 and sessions_behind <= {{ max_late_sessions }}
union all
select
    symbol,
    timeframe,
    'ended' as finding,
    null as rule,
    sessions_behind as finding_count,
    last_session_date as first_session_date,
    market_session_date as last_session_date
from staleness
where sessions_behind > {{ max_late_sessions }}
