{#- Number of symbols that a random entry is drawn from, the signal's own one included. -#}
{%- set drawn_from = 20 %}

with

signals as (
    select * from {{ ref('backtests__signals') }}
),

bars as (
    select * from {{ ref('bars__ohlcv') }}
    where timeframe = '1m'
),

scan_times as (
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
    semi join scan_times using (calendar, session_date)
),

-- shuffled by a hash, so that every build draws the same; one more than needed, since the
-- signal's own symbol may be among them
shuffled as (
    select
        calendar,
        session_date,
        scan_times.known_ts,
        traded_symbols.symbol,
        row_number() over (
            partition by calendar, session_date, scan_times.known_ts
            order by hash(hash(traded_symbols.symbol, scan_times.known_ts)), traded_symbols.symbol
        ) as shuffled_rank
    from scan_times
    inner join traded_symbols using (calendar, session_date)
    qualify shuffled_rank <= {{ drawn_from }}
),

random_entries as (
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
    qualify row_number() over (partition by signals.signal_id order by shuffled.shuffled_rank)
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
    from random_entries
)

select * from final
order by session_date, known_ts, symbol, signal_id
