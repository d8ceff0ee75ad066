{{ config(access='public') }}

with

session_minutes as (
    select * from {{ ref('scanners__session_minutes') }}
),

sessions as (
    select * from {{ ref('scanners__sessions') }}
),

cutoffs as (
    select distinct
        cutoff_time,
        cutoff_minute
    from {{ ref('scanners__cutoffs') }}
),

-- what was known at the cutoff is known when the session closes earlier
last_minutes as (
    select
        sessions.calendar,
        sessions.session_date,
        cutoffs.cutoff_time,
        least(cutoffs.cutoff_minute, sessions.close_minute) as cutoff_minute
    from sessions
    cross join cutoffs
),

final as (
    select
        session_minutes.symbol,
        session_minutes.session_date,
        last_minutes.cutoff_time,
        session_minutes.calendar,
        session_minutes.open_price,
        session_minutes.high_to_cutoff,
        session_minutes.low_to_cutoff,
        session_minutes.last_price,
        session_minutes.volume_to_cutoff,
        session_minutes.bars_to_cutoff,
        session_minutes.vwap_to_cutoff,
        session_minutes.obv_to_cutoff,
        session_minutes.mean_obv_to_cutoff,
        session_minutes.adjustment_factor
    from session_minutes
    inner join last_minutes using (calendar, session_date, cutoff_minute)
    -- that a symbol is there at all before its first bar, is known only after it
    where session_minutes.bars_to_cutoff > 0
)

select * from final
order by session_date, cutoff_time, symbol
