{{ config(materialized='ephemeral') }}

with

minute_bars as (
    select * from {{ ref('stg_raw__minute_bars') }}
),

stale_symbols as (
    select * from {{ ref('bars__stale_symbols') }}
),

calendars as (
    select * from {{ ref('calendars') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

precedences as (
    select * from {{ ref('source_precedence') }}
),

stale_bars as (
    select minute_bars.*
    from minute_bars
    inner join stale_symbols using (symbol)
    where minute_bars.session_date >= stale_symbols.stale_from
),

-- a whole day of one symbol, under the name of many: a publishing bug that happens
days as (
    select
        source,
        delivery,
        symbol,
        session_date,
        bit_xor(hash(bar_ts, open, high, low, close, volume)) as content
    from stale_bars
    group by source, delivery, symbol, session_date
    having sum(volume) > 0
),

copied_days as (
    select
        symbol,
        session_date,
        delivery
    from days
    qualify
        count(*) over (partition by session_date, content) >= {{ var('min_copied_symbols') }}
),

ruled as (
    select
        stale_bars.*,
        sessions.open_ts,
        sessions.close_ts,
        coalesce(precedences.precedence, 0) as precedence,
        coalesce(
            {{ broken_price_rule() }},
            {{ broken_time_rule('stale_bars.bar_ts', 'stale_bars.bar_ts + interval 1 minute') }},
            if(
                list_bool_or(
                    list_transform(
                        sessions.parts,
                        lambda part: bar_ts >= part.open_ts and bar_ts < part.close_ts
                    )
                ), null, 'out_of_session'
            ),
            if(copied_days.delivery is not null, 'copied_across_symbols', null)
        ) as broken_rule
    from stale_bars
    left join calendars using (calendar)
    left join sessions using (calendar, session_date)
    left join precedences using (source)
    left join copied_days using (symbol, session_date, delivery)
),

final as (
    select
        symbol,
        bar_ts,
        session_date,
        open_ts,
        close_ts,
        open,
        high,
        low,
        close,
        volume,
        calendar,
        source,
        source_file,
        source_row,
        delivery,
        delivered_at,
        case
            when broken_rule is not null then broken_rule
            when lag(delivery) over by_preference = delivery then 'duplicate'
        end as broken_rule,
        -- 1 is the bar that counts: a sound one of the best source, the last that was delivered
        row_number() over by_preference as preference
    from ruled
    window by_preference as (
        partition by symbol, session_date, bar_ts
        order by
            broken_rule is not null,
            precedence desc,
            delivered_at desc,
            delivery desc,
            source_row desc
    )
)

select * from final
