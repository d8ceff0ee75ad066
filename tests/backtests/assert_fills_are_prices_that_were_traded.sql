-- A fill is outside the range of its bar, in a locked bar, outside its session, before its signal
-- was known or after its exit time: it could not have been traded.
{{- config(group='backtests') }}
{%- set tolerance = 1e-6 %}

with

entries as (
    select * from {{ ref('backtests__entries') }}
),

exits as (
    select * from {{ ref('backtests__exits') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

minutes as (
    select * from {{ ref('backtests__minutes') }}
),

fills as (
    select
        signal_id,
        'entry' as event,
        entry_ts as fill_ts,
        entry_price as fill_price,
        false as is_by_end
    from exits
    where entry_price is not null
    union all
    -- a gap is known when its bar starts, any other exit when its bar ends
    select
        signal_id,
        'exit' as event,
        exit_ts as fill_ts,
        exit_price as fill_price,
        true as is_by_end
    from exits
    where exit_price is not null
),

possible as (
    select distinct
        fills.signal_id,
        fills.event,
        fills.fill_ts,
        fills.fill_price
    from fills
    inner join entries using (signal_id)
    inner join sessions
        on entries.calendar = sessions.calendar and entries.session_date = sessions.session_date
    inner join minutes
        on
            entries.symbol = minutes.symbol
            and entries.session_date = minutes.session_date
            and (
                (fills.fill_ts = minutes.bar_ts and fills.fill_price = minutes.open)
                or (
                    fills.is_by_end
                    and fills.fill_ts = minutes.bar_end
                    and fills.fill_price between minutes.low - {{ tolerance }}
                    and minutes.high + {{ tolerance }}
                )
            )
    where
        not minutes.is_locked
        and minutes.bar_ts >= sessions.open_ts
        and minutes.bar_end <= sessions.close_ts
        and minutes.bar_ts >= entries.known_ts
        and minutes.bar_end <= entries.session_date + entries.exit_time
)

select * from fills
anti join possible using (signal_id, event, fill_ts, fill_price)
