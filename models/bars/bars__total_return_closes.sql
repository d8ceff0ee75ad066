with

adjusted_closes as (
    select * from {{ ref('stg_raw__adjusted_closes') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1d'
),

-- a vendor's own adjusted series is taken whole: two series of one symbol differ by a factor
vendor_closes as (
    select
        symbol,
        session_date,
        adjusted_close as total_return_close,
        source,
        calendar
    from adjusted_closes
    where adjusted_close > 0
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
        bars.calendar
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
