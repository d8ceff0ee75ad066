{% macro ticked_minutes_query(ticks, recordings, calendars) -%}
with

ticks as (
    select * from {{ ticks }}
),

recordings as (
    select * from {{ recordings }}
),

calendars as (
    select * from {{ calendars }}
),

-- the exchange's offset from UTC on that day
clocks as (
    select
        recordings.session_date,
        recordings.recording,
        recordings.delivery,
        recordings.delivered_at,
        calendars.late_tick_seconds,
        recordings.session_date + interval 12 hours
        - timezone(
            'UTC', timezone(calendars.timezone, recordings.session_date + interval 12 hours)
        ) as utc_offset
    from recordings
    inner join calendars using (calendar)
),

timed as (
    select
        ticks.symbol,
        ticks.session_date,
        ticks.calendar,
        ticks.source,
        ticks.recording,
        clocks.delivery,
        clocks.delivered_at,
        ticks.traded_at,
        ticks.received_at,
        ticks.price,
        ticks.quantity,
        ticks.cumulative_volume,
        date_trunc('minute', ticks.traded_at + clocks.utc_offset) as bar_ts,
        coalesce(ticks.price > 0, false) as is_priced,
        ticks.received_at > date_trunc('minute', ticks.traded_at)
        + interval 1 minute + to_seconds(clocks.late_tick_seconds) as is_late
    from ticks
    inner join clocks using (session_date, recording)
),

minutes as (
    select
        symbol,
        bar_ts,
        session_date,
        calendar,
        source,
        recording,
        delivery,
        delivered_at,
        arg_min(price, (traded_at, received_at)) filter (where is_priced and not is_late) as open,
        max(price) filter (where is_priced and not is_late) as high,
        min(price) filter (where is_priced and not is_late) as low,
        arg_max(price, (traded_at, received_at)) filter (where is_priced and not is_late) as close,
        sum(quantity) filter (where not is_late) as tick_volume,
        max(cumulative_volume) filter (where not is_late) as volume_to_minute,
        count(*) filter (where is_priced and not is_late) as tick_count,
        count(*) filter (where is_late) as late_tick_count,
        count(*) filter (where not is_priced and not is_late) as unpriced_tick_count
    from timed
    group by
        symbol, bar_ts, session_date, calendar, source, recording, delivery, delivered_at
),

-- volume since the session opened; a stray tick of another day states that day's
volumes as (
    select
        *,
        max(volume_to_minute) over to_this_minute as volume_to_end,
        max(volume_to_minute) over to_the_minute_before as volume_to_start
    from minutes
    window
        to_this_minute as (
            partition by symbol, recording, session_date, bar_ts::date
            order by bar_ts
            rows unbounded preceding
        ),
        to_the_minute_before as (
            partition by symbol, recording, session_date, bar_ts::date
            order by bar_ts
            rows between unbounded preceding and 1 preceding
        )
),

final as (
    select
        symbol,
        bar_ts,
        session_date,
        open,
        high,
        low,
        close,
        coalesce(volume_to_end - coalesce(volume_to_start, 0), tick_volume)::double as volume,
        volume_to_end as cumulative_volume,
        tick_count,
        late_tick_count,
        unpriced_tick_count,
        calendar,
        source,
        'ticks of ' || recording as source_file,
        (epoch(bar_ts) / 60)::bigint as source_row,
        delivery,
        delivered_at
    from volumes
)

select * from final
{%- endmacro %}
