{% macro traded_to_cutoff_query(session_minutes, sessions, cutoffs, histories, conflicts) -%}
with

session_minutes as (
    select * from {{ session_minutes }}
),

sessions as (
    select * from {{ sessions }}
),

cutoffs as (
    select distinct
        cutoff_time,
        cutoff_minute
    from {{ cutoffs }}
),

histories as (
    select * from {{ histories }}
),

conflicts as (
    select * from {{ conflicts }}
),

-- a session that closes before the cutoff has its last minute then
last_minutes as (
    select
        sessions.calendar,
        sessions.session_date,
        sessions.session_number,
        cutoffs.cutoff_time,
        least(cutoffs.cutoff_minute, sessions.close_minute) as cutoff_minute
    from sessions
    cross join cutoffs
),

traded as not materialized (
    select
        session_minutes.symbol,
        session_minutes.session_date,
        last_minutes.cutoff_time,
        last_minutes.session_number,
        session_minutes.calendar,
        session_minutes.open_price,
        session_minutes.high_to_cutoff,
        session_minutes.low_to_cutoff,
        session_minutes.last_price,
        session_minutes.volume_to_cutoff,
        session_minutes.bar_count_to_cutoff,
        session_minutes.vwap_to_cutoff,
        session_minutes.obv_to_cutoff,
        session_minutes.mean_obv_to_cutoff,
        session_minutes.adjustment_factor
    from session_minutes
    inner join last_minutes using (calendar, session_date, cutoff_minute)
    -- rows before the first bar: that they exist is known only after that bar
    where session_minutes.bar_count_to_cutoff > 0
),

-- Daily and minute bars differed in an earlier session and have not agreed since. Whether they
-- agree today is known only after the close.
conflicting as (
    select distinct
        traded.symbol,
        traded.session_date
    from traded
    inner join conflicts
        on
            traded.symbol = conflicts.symbol
            and traded.session_date > conflicts.session_date
            and traded.session_date <= coalesce(conflicts.agreed_date, 'infinity'::date)
),

prior_closes as (
    select
        symbol,
        session_date,
        max(adjusted_prior_close) as adjusted_prior_close
    from histories
    semi join traded using (symbol, session_date)
    group by symbol, session_date
),

-- sessions that follow one in which the symbol had minutes
sessions_after_minutes as (
    select
        session_minutes.symbol,
        last_minutes.calendar,
        last_minutes.cutoff_time,
        last_minutes.session_number + 1 as session_number
    from session_minutes
    inner join last_minutes using (calendar, session_date, cutoff_minute)
),

-- The prior session has no minutes to check its daily bar against, and today's open is far enough
-- from that bar for the two to differ by an unknown split.
jumped as (
    select
        traded.symbol,
        traded.session_date,
        traded.cutoff_time
    from traded
    inner join prior_closes using (symbol, session_date)
    anti join sessions_after_minutes using (symbol, calendar, cutoff_time, session_number)
    where
        {{ larger_over_smaller(
            'prior_closes.adjusted_prior_close',
            '(traded.open_price * traded.adjustment_factor)'
        ) }}
        >= {{ var('min_jump_ratio') }}
),

final as (
    select
        traded.symbol,
        traded.session_date,
        traded.cutoff_time,
        traded.calendar,
        traded.open_price,
        traded.high_to_cutoff,
        traded.low_to_cutoff,
        traded.last_price,
        traded.volume_to_cutoff,
        traded.bar_count_to_cutoff,
        traded.vwap_to_cutoff,
        traded.obv_to_cutoff,
        traded.mean_obv_to_cutoff,
        traded.adjustment_factor,
        conflicting.symbol is not null or jumped.symbol is not null as has_day_minute_conflict
    from traded
    left join conflicting using (symbol, session_date)
    left join jumped using (symbol, session_date, cutoff_time)
)

select * from final
{%- endmacro %}
