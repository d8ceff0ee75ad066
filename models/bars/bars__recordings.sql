with

ticks as (
    select * from {{ ref('stg_journal__ticks') }}
),

counted as (
    select
        session_date,
        calendar,
        source,
        recording,
        count(*) as tick_count,
        count(distinct symbol) as symbol_count,
        min(received_at) as first_received_at,
        max(received_at) as last_received_at,
        max(recorded_until) as delivered_at
    from ticks
    group by session_date, calendar, source, recording
),

final as (
    select
        session_date,
        calendar,
        source,
        recording,
        -- with more ticks, or with fewer after a withdrawal, it is another delivery, so the
        -- next build makes its bars again
        concat_ws(
            ' ',
            'ticks',
            recording,
            session_date,
            strftime(delivered_at, '%Y-%m-%dT%H:%M:%S.%f'),
            tick_count
        ) as delivery,
        tick_count,
        symbol_count,
        first_received_at,
        last_received_at,
        delivered_at
    from counted
)

select * from final
order by session_date, recording
