-- A delivered row is neither a bar, nor rejected, nor replaced by a later or better one of the same
-- bar: it has disappeared.
with

delivered as (
    select
        symbol,
        '1d' as timeframe,
        session_date,
        null::timestamp as bar_ts,
        delivery,
        source_file,
        source_row
    from {{ ref('stg_raw__daily_bars') }}
    union all
    select
        symbol,
        '1m' as timeframe,
        session_date,
        bar_ts,
        delivery,
        source_file,
        source_row
    from {{ ref('bars__delivered_minutes') }}
),

bars as (
    select
        symbol,
        timeframe,
        session_date,
        if(timeframe = '1m', bar_ts, null) as bar_ts
    from {{ ref('bars__ohlcv') }}
    where timeframe in ('1m', '1d')
),

rejected as (
    select * from {{ ref('bars__rejected') }}
)

select delivered.*
from delivered
anti join bars
    on
        delivered.symbol = bars.symbol
        and delivered.timeframe = bars.timeframe
        and delivered.session_date = bars.session_date
        and delivered.bar_ts is not distinct from bars.bar_ts
anti join rejected
    on
        delivered.delivery = rejected.delivery
        and delivered.source_file = rejected.source_file
        and delivered.source_row = rejected.source_row
        and delivered.symbol = rejected.symbol
