{% macro session_minutes_query(symbol_days, sessions, stale_sessions, bars) -%}
{#- Sums of doubles depend on the order of addition; sums of decimals do not. -#}
{%- set exact = 'decimal(30, 8)' -%}

with

symbol_days as (
    select * from {{ symbol_days }}
),

sessions as (
    select * from {{ sessions }}
),

stale_sessions as (
    select * from {{ stale_sessions }}
),

stale_bars as not materialized (
    select bars.*
    from {{ bars }} as bars
    semi join stale_sessions using (symbol, session_date)
    where bars.timeframe = '1m'
),

-- on-balance volume starts from 0 in each session
signed as (
    select
        symbol,
        session_date,
        date_diff('minute', session_date::timestamp, bar_end) as cutoff_minute,
        open,
        high,
        low,
        close,
        volume,
        (high + low + close) / 3 * volume as money,
        volume * coalesce(sign(close - lag(close) over bars_of_session), 0) as signed_volume,
        session_bar_number * signed_volume as weighted_volume
    from stale_bars
    window bars_of_session as (partition by symbol, session_date order by bar_ts)
),

-- every minute from the open to the end of the data, with or without a bar
traded as (
    select distinct
        symbol,
        session_date
    from stale_bars
),

minutes as (
    select
        traded.symbol,
        traded.session_date,
        symbol_days.calendar,
        symbol_days.adjustment_factor,
        unnest(
            range(
                date_diff('minute', traded.session_date::timestamp, sessions.open_ts) + 1,
                date_diff(
                    'minute',
                    traded.session_date::timestamp,
                    least(sessions.close_ts, symbol_days.known_until)
                ) + 1
            )
        ) as cutoff_minute
    from traded
    inner join symbol_days using (symbol, session_date)
    inner join sessions using (calendar, session_date)
),

totals as (
    select
        minutes.symbol,
        minutes.session_date,
        minutes.cutoff_minute,
        minutes.calendar,
        minutes.adjustment_factor,
        first_value(signed.open ignore nulls) over to_date as open_price,
        max(signed.high) over to_date as high_to_cutoff,
        min(signed.low) over to_date as low_to_cutoff,
        last_value(signed.close ignore nulls) over to_date as last_price,
        count(signed.close) over to_date as bar_count_to_cutoff,
        coalesce(sum(signed.volume::{{ exact }}) over to_date, 0)::double as volume,
        coalesce(sum(signed.money::{{ exact }}) over to_date, 0)::double as money,
        coalesce(sum(signed.signed_volume::{{ exact }}) over to_date, 0)::double as signed_volume,
        coalesce(sum(signed.weighted_volume::{{ exact }}) over to_date, 0)::double
            as weighted_volume
    from minutes
    left join signed using (symbol, session_date, cutoff_minute)
    window to_date as (
        partition by minutes.symbol, minutes.session_date
        order by minutes.cutoff_minute
        rows unbounded preceding
    )
),

final as (
    select
        cutoff_minute,
        session_date,
        symbol,
        calendar,
        open_price,
        high_to_cutoff,
        low_to_cutoff,
        last_price,
        volume as volume_to_cutoff,
        bar_count_to_cutoff,
        round(money / nullif(volume, 0), {{ price_decimals() }}) as vwap_to_cutoff,
        signed_volume as obv_to_cutoff,
        -- the mean of the n running totals without summing them again: the signed volume of the
        -- first bar is in n of them, that of the last bar in one
        round(
            signed_volume - weighted_volume / nullif(bar_count_to_cutoff, 0), {{ price_decimals() }}
        ) as mean_obv_to_cutoff,
        adjustment_factor
    from totals
)

select * from final
{%- endmacro %}
