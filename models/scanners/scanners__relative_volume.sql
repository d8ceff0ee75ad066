{{ config(access='private') }}

with

so_far as (
    select * from {{ ref('scanners__sessions_so_far') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1m'
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

crp_presets as (
    select * from {{ ref('crp_presets') }}
),

breakout_presets as (
    select * from {{ ref('breakout_presets') }}
),

lookbacks as (
    select
        cutoff_time,
        history_sessions as lookback_sessions
    from crp_presets
    union
    select
        cutoff_time,
        lookback_sessions
    from breakout_presets
),

cutoffs as (
    select distinct cutoff_time from lookbacks
),

-- only sessions that had opened by the cutoff can be compared: no evening sessions among mornings
comparable_sessions as (
    select
        sessions.calendar,
        sessions.session_date,
        cutoffs.cutoff_time,
        row_number() over (
            partition by sessions.calendar, cutoffs.cutoff_time order by sessions.session_date
        ) as comparable_number
    from sessions
    cross join cutoffs
    where sessions.open_ts < sessions.session_date + cutoffs.cutoff_time::time
),

traded_days as (
    select distinct
        symbol,
        session_date,
        calendar
    from bars
),

-- a symbol that traded later in the day only had no volume by the cutoff, which is a volume of 0
volumes as (
    select
        traded_days.symbol,
        traded_days.session_date,
        comparable_sessions.cutoff_time,
        comparable_sessions.comparable_number,
        coalesce(so_far.volume_to_cutoff, 0) as volume_to_cutoff
    from traded_days
    inner join comparable_sessions using (calendar, session_date)
    left join so_far using (symbol, session_date, cutoff_time)
),

histories as (
    select
        volumes.symbol,
        volumes.session_date,
        volumes.cutoff_time,
        lookbacks.lookback_sessions,
        volumes.volume_to_cutoff,
        avg(volumes.volume_to_cutoff) over prior_sessions as expected_volume,
        count(*) over prior_sessions as history_count
    from volumes
    inner join lookbacks using (cutoff_time)
    window prior_sessions as (
        partition by volumes.symbol, volumes.cutoff_time, lookbacks.lookback_sessions
        order by volumes.comparable_number
        range between lookbacks.lookback_sessions preceding and 1 preceding
    )
),

final as (
    select
        symbol,
        session_date,
        cutoff_time,
        lookback_sessions,
        expected_volume,
        history_count,
        volume_to_cutoff / nullif(expected_volume, 0) as relative_volume
    from histories
)

select * from final
order by session_date, cutoff_time, lookback_sessions, symbol
