{{ config(access='public') }}
{#- Of adjusted volumes: rounded, so that no later split moves their last bit. -#}
{%- set decimals = 6 -%}

with

session_minutes as (
    select * from {{ ref('scanners__session_minutes') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

cutoffs as (
    select * from {{ ref('scanners__cutoffs') }}
),

-- only sessions that had opened by the cutoff can be compared: no evening sessions among mornings
comparable_sessions as (
    select
        sessions.calendar,
        sessions.session_date,
        cutoffs.cutoff_time,
        cutoffs.history_sessions,
        least(
            cutoffs.cutoff_minute,
            date_diff('minute', sessions.session_date::timestamp, sessions.close_ts)
        ) as cutoff_minute,
        row_number() over (
            partition by sessions.calendar, cutoffs.cutoff_time, cutoffs.history_sessions
            order by sessions.session_date
        ) as comparable_number
    from sessions
    cross join cutoffs
    where sessions.open_ts < sessions.session_date + cutoffs.cutoff_time::time
),

-- a symbol that traded later in the day only had no volume by the cutoff, which is a volume of 0
volumes as (
    select
        session_minutes.symbol,
        session_minutes.session_date,
        comparable_sessions.cutoff_time,
        comparable_sessions.history_sessions,
        comparable_sessions.comparable_number,
        session_minutes.adjustment_factor,
        session_minutes.volume_to_cutoff / session_minutes.adjustment_factor as adjusted_volume
    from session_minutes
    inner join comparable_sessions using (calendar, session_date, cutoff_minute)
),

histories as (
    select
        symbol,
        session_date,
        cutoff_time,
        history_sessions,
        adjusted_volume,
        adjustment_factor,
        avg(adjusted_volume) over prior_sessions as expected_volume,
        count(*) over prior_sessions as history_count
    from volumes
    window prior_sessions as (
        partition by symbol, cutoff_time, history_sessions
        order by comparable_number
        range between history_sessions preceding and 1 preceding
    )
),

final as (
    select
        symbol,
        session_date,
        cutoff_time,
        history_sessions,
        round(expected_volume * adjustment_factor, {{ decimals }}) as expected_volume,
        history_count,
        round(adjusted_volume / nullif(expected_volume, 0), {{ decimals }}) as relative_volume
    from histories
)

select * from final
order by session_date, cutoff_time, history_sessions, symbol
