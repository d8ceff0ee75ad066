with

presets as (
    {{ all_presets(['preset', 'cutoff_time']) }}
),

to_cutoff as (
    select * from {{ ref('scanners__traded_to_cutoff') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

traded_days as (
    select distinct
        symbol,
        calendar,
        session_date
    from {{ ref('scanners__session_minutes') }}
),

scanned_sessions as (
    select distinct
        calendar,
        session_date,
        cutoff_time
    from to_cutoff
),

-- traded in the prior session, and not yet in this one by the cutoff
absent as (
    select
        scanned_sessions.session_date,
        scanned_sessions.cutoff_time,
        traded_days.symbol
    from scanned_sessions
    inner join sessions as today using (calendar, session_date)
    inner join sessions as previous
        on
            today.calendar = previous.calendar
            and today.session_number = previous.session_number + 1
    inner join traded_days
        on
            previous.calendar = traded_days.calendar
            and previous.session_date = traded_days.session_date
    anti join to_cutoff
        on
            scanned_sessions.session_date = to_cutoff.session_date
            and scanned_sessions.cutoff_time = to_cutoff.cutoff_time
            and traded_days.symbol = to_cutoff.symbol
),

final as (
    {%- for scanner in scanners() %}
    select
        session_date,
        cutoff_time,
        '{{ scanner }}' as scanner,
        preset,
        symbol,
        rejected_by as rule
    from {{ ref('scanners__' ~ scanner) }}
    where rejected_by is not null
    union all
    {%- endfor %}
    select
        to_cutoff.session_date,
        to_cutoff.cutoff_time,
        presets.scanner,
        presets.preset,
        to_cutoff.symbol,
        'day_minute_conflict' as rule
    from to_cutoff
    inner join presets using (cutoff_time)
    where to_cutoff.has_day_minute_conflict
    union all
    select
        absent.session_date,
        absent.cutoff_time,
        presets.scanner,
        presets.preset,
        absent.symbol,
        'no_bars_by_cutoff' as rule
    from absent
    inner join presets using (cutoff_time)
)

select * from final
order by session_date, scanner, preset, symbol
