{#- At or above it is no price: not a number, infinity, or a vendor's sign for a missing one. -#}
{%- set max_price = '1e12' -%}

with

adjusted_closes as (
    select * from {{ ref('stg_raw__adjusted_closes') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

delivered_days as (
    select * from {{ ref('bars__delivered_days') }}
),

symbol_calendars as (
    select
        symbol,
        any_value(symbol_calendar) as symbol_calendar
    from delivered_days
    group by symbol
),

-- a symbol belongs to one exchange: that of its bars, or else of its first adjusted closes
own_adjusted_closes as (
    select adjusted_closes.*
    from adjusted_closes
    left join symbol_calendars using (symbol)
    qualify
        adjusted_closes.calendar = coalesce(
            symbol_calendars.symbol_calendar,
            first_value(adjusted_closes.calendar) over (
                partition by adjusted_closes.symbol
                order by adjusted_closes.delivered_at, adjusted_closes.delivery
            )
        )
),

-- a vendor's adjusted series is used whole: two series of one symbol differ by a factor
vendor_closes as (
    select
        symbol,
        session_date,
        adjusted_close as total_return_close,
        source,
        calendar,
        delivery
    from own_adjusted_closes
    where adjusted_close > 0 and adjusted_close < {{ max_price }}
    window
        last_delivered as (
            partition by symbol, session_date
            order by delivered_at desc, delivery desc, source_row desc
        )
    qualify row_number() over last_delivered = 1
),

own_closes as (
    select
        bars.symbol,
        bars.session_date,
        bars.close * bars.adjustment_factor_total as total_return_close,
        bars.source,
        bars.calendar,
        null::varchar as delivery
    from bars
    anti join vendor_closes using (symbol)
),

final as (
    select * from vendor_closes
    union all
    select * from own_closes
)

select * from final
order by symbol, session_date
