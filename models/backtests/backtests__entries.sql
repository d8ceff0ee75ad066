{{ config(access='private') }}
{#- So many symbols, the signal's own one of them, are what a random entry is drawn from. -#}
{%- set drawn_from = 20 %}

with

signals as (
    select * from {{ ref('backtests__signals') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1m'
),

moments as (
    select distinct
        calendar,
        session_date,
        known_ts
    from signals
),

traded_symbols as (
    select distinct
        calendar,
        session_date,
        symbol
    from bars
    semi join moments using (calendar, session_date)
),

-- shuffled by a hash, so that every build draws alike; one more than are taken, for the
-- signal's own
shuffled as (
    select
        calendar,
        session_date,
        moments.known_ts,
        traded_symbols.symbol,
        row_number() over (
            partition by calendar, session_date, moments.known_ts
            order by hash(hash(traded_symbols.symbol, moments.known_ts)), traded_symbols.symbol
        ) as place
    from moments
    inner join traded_symbols using (calendar, session_date)
    qualify place <= {{ drawn_from }}
),

others as (
    select
        signals.* exclude (symbol),
        shuffled.symbol
    from signals
    inner join shuffled
        on
            signals.calendar = shuffled.calendar
            and signals.session_date = shuffled.session_date
            and signals.known_ts = shuffled.known_ts
            and signals.symbol != shuffled.symbol
    qualify row_number() over (partition by signals.signal_id order by shuffled.place)
        < {{ drawn_from }}
),

final as (
    select
        signal_id,
        null::varchar as chosen_signal_id,
        symbol,
        calendar,
        session_date,
        known_ts,
        direction,
        stop_price,
        target_price,
        exit_time
    from signals
    union all
    select
        signal_id || ' ' || symbol as signal_id,
        signal_id as chosen_signal_id,
        symbol,
        calendar,
        session_date,
        known_ts,
        direction,
        stop_price,
        target_price,
        exit_time
    from others
)

select * from final
order by session_date, known_ts, symbol, signal_id
