{% macro histories_query(session_minutes, conflicts, bars, sessions) -%}
{%- set lookback = 'lookback_sessions' -%}
{%- set volume_lookback = 'volume_lookback_sessions' -%}

with

session_minutes as (
    select * from {{ session_minutes }}
),

conflicts as (
    select * from {{ conflicts }}
),

-- a daily bar that its minutes contradict is left out
days as (
    select * from {{ bars }}
    anti join conflicts using (symbol, session_date)
    where timeframe = '1d'
),

sessions as (
    select * from {{ sessions }}
),

lookbacks as (
    select lookback_sessions::integer as lookback_sessions
    from ({{ all_presets([lookback], scanners_with(lookback)) }}) as presets
    union
    select volume_lookback_sessions::integer as lookback_sessions
    from ({{ all_presets([volume_lookback], scanners_with(volume_lookback)) }}) as presets
),

scanned_days as (
    select distinct
        symbol,
        calendar,
        session_date
    from session_minutes
),

first_scanned as (
    select
        scanned_days.calendar,
        min(sessions.session_number) as session_number
    from scanned_days
    inner join sessions using (calendar, session_date)
    group by scanned_days.calendar
),

-- a row for each day of a symbol, with a daily bar or, like the session that is being scanned,
-- still without one; the windows below exclude the row's own day
spine as (
    select
        symbol,
        calendar,
        session_date
    from days
    union
    select
        symbol,
        calendar,
        session_date
    from scanned_days
),

history_days as (
    select
        spine.symbol,
        spine.session_date,
        sessions.session_number,
        lookbacks.lookback_sessions,
        days.adjusted_high,
        days.adjusted_low,
        days.adjusted_close,
        days.adjusted_volume
    from spine
    inner join sessions using (calendar, session_date)
    cross join lookbacks
    inner join first_scanned
        on
            spine.calendar = first_scanned.calendar
            and sessions.session_number
            >= first_scanned.session_number - lookbacks.lookback_sessions - 1
    left join days using (symbol, session_date)
),

histories as (
    select
        symbol,
        session_date,
        lookback_sessions,
        count(adjusted_close) over prior_sessions as history_count,
        max(adjusted_high) over prior_sessions as adjusted_high,
        min(adjusted_low) over prior_sessions as adjusted_low,
        {{ exact_mean('adjusted_close', 'over prior_sessions', 20) }} as adjusted_mean_close,
        {{ exact_mean('adjusted_volume', 'over prior_sessions', 8) }} as adjusted_mean_volume,
        max(adjusted_high) over before_prior_session as adjusted_high_before_prior_session,
        min(adjusted_low) over before_prior_session as adjusted_low_before_prior_session,
        max(adjusted_close) over prior as adjusted_prior_close
    from history_days
    window
        prior_sessions as (
            partition by symbol, lookback_sessions
            order by session_number
            range between lookback_sessions preceding and 1 preceding
        ),
        before_prior_session as (
            partition by symbol, lookback_sessions
            order by session_number
            range between lookback_sessions + 1 preceding and 2 preceding -- noqa: PRS
        ),
        prior as (
            partition by symbol, lookback_sessions
            order by session_number
            range between 1 preceding and 1 preceding
        )
),

final as (
    select
        histories.symbol,
        histories.session_date,
        histories.lookback_sessions,
        histories.history_count,
        histories.adjusted_high,
        histories.adjusted_low,
        histories.adjusted_mean_close,
        histories.adjusted_mean_volume,
        histories.adjusted_high_before_prior_session,
        histories.adjusted_low_before_prior_session,
        histories.adjusted_prior_close
    from histories
    semi join scanned_days using (symbol, session_date)
)

select * from final
{%- endmacro %}
