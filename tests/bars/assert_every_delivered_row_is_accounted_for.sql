-- A delivered row is neither a bar, nor rejected, nor replaced by a later or better row of the same
-- bar: it has disappeared. A day's bar may come from its minutes even if its own row is sound.
with

delivered as (
    select
        symbol,
        '1d' as timeframe,
        session_date,
        null::timestamp as bar_ts,
        close,
        source,
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
        close,
        source,
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
        if(timeframe = '1m', bar_ts, null) as bar_ts,
        close,
        source
    from {{ ref('bars__ohlcv') }}
    where timeframe in ('1m', '1d')
),

rejected as (
    select * from {{ ref('bars__rejected') }}
),

sound as (
    select delivered.*
    from delivered
    anti join rejected
        on
            delivered.delivery = rejected.delivery
            and delivered.source_file = rejected.source_file
            and delivered.source_row = rejected.source_row
            and delivered.symbol = rejected.symbol
),

-- bars that equal one of their sound rows
bars_of_rows as (
    select bars.*
    from bars
    semi join sound
        on
            bars.symbol = sound.symbol
            and bars.timeframe = sound.timeframe
            and bars.session_date = sound.session_date
            and bars.bar_ts is not distinct from sound.bar_ts
            and bars.close = sound.close
            and bars.source = sound.source
)

select sound.*
from sound
anti join bars_of_rows
    on
        sound.symbol = bars_of_rows.symbol
        and sound.timeframe = bars_of_rows.timeframe
        and sound.session_date = bars_of_rows.session_date
        and sound.bar_ts is not distinct from bars_of_rows.bar_ts
