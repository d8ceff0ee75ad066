{% macro expected_volumes_query(session_to_cutoff, session_minutes, sessions, cutoffs) -%}
{#- Computed from adjusted volumes: rounded, so that a later split does not move the last bit. -#}
{%- set decimals = 6 -%}

with

to_cutoff as (
    select * from {{ session_to_cutoff }}
),

session_minutes as (
    select * from {{ session_minutes }}
),

sessions as (
    select * from {{ sessions }}
),

cutoffs as (
    select * from {{ cutoffs }}
),

-- only sessions that had opened by the cutoff are comparable: evening sessions are left out
comparable_sessions as (
    select
        sessions.calendar,
        sessions.session_date,
        cutoffs.cutoff_time,
        cutoffs.history_sessions,
        least(cutoffs.cutoff_minute, sessions.close_minute) as cutoff_minute,
        row_number() over (
            partition by sessions.calendar, cutoffs.cutoff_time, cutoffs.history_sessions
            order by sessions.session_date
        ) as comparable_number
    from sessions
    cross join cutoffs
    where sessions.open_ts < sessions.session_date + cutoffs.cutoff_time
),

scanned_sessions as (
    select distinct
        calendar,
        session_date,
        cutoff_time
    from to_cutoff
),

numbers_before as (
    select
        calendar,
        session_date,
        cutoff_time,
        history_sessions,
        comparable_number - unnest(range(1, history_sessions + 1)) as number_before
    from comparable_sessions
    semi join scanned_sessions using (calendar, session_date, cutoff_time)
),

prior_sessions as (
    select
        numbers_before.calendar,
        numbers_before.session_date,
        numbers_before.cutoff_time,
        numbers_before.history_sessions,
        earlier.session_date as prior_date,
        earlier.cutoff_minute
    from numbers_before
    inner join comparable_sessions as earlier
        on
            numbers_before.calendar = earlier.calendar
            and numbers_before.cutoff_time = earlier.cutoff_time
            and numbers_before.history_sessions = earlier.history_sessions
            and numbers_before.number_before = earlier.comparable_number
),

-- a symbol that traded only later in the day had a volume of 0 by the cutoff
prior_volumes as (
    select
        session_minutes.symbol,
        prior_sessions.session_date,
        prior_sessions.cutoff_time,
        prior_sessions.history_sessions,
        {{ exact_mean(
            'session_minutes.volume_to_cutoff / session_minutes.adjustment_factor', decimals=8
        ) }} as adjusted_volume,
        count(*) as history_count
    from session_minutes
    inner join prior_sessions
        on
            session_minutes.calendar = prior_sessions.calendar
            and session_minutes.session_date = prior_sessions.prior_date
            and session_minutes.cutoff_minute = prior_sessions.cutoff_minute
    group by
        session_minutes.symbol,
        prior_sessions.session_date,
        prior_sessions.cutoff_time,
        prior_sessions.history_sessions
),

final as (
    select
        to_cutoff.symbol,
        to_cutoff.session_date,
        to_cutoff.cutoff_time,
        prior_volumes.history_sessions,
        round(
            prior_volumes.adjusted_volume * to_cutoff.adjustment_factor, {{ decimals }}
        ) as expected_volume,
        prior_volumes.history_count,
        round(
            to_cutoff.volume_to_cutoff
            / to_cutoff.adjustment_factor
            / nullif(prior_volumes.adjusted_volume, 0), {{ decimals }}
        ) as relative_volume
    from to_cutoff
    inner join prior_volumes using (symbol, session_date, cutoff_time)
)

select * from final
{%- endmacro %}
