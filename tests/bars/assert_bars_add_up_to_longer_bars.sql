-- A longer bar does not equal the sum of its shorter bars: a resampling rule, a session grid or the
-- shares of a week are wrong.
with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

sessions as (
    select * from {{ ref('bars__sessions') }}
),

delivered_days as (
    select * from {{ ref('bars__delivered_days') }}
    where kind = 'daily'
),

minutes as (
    select * from bars
    where timeframe = '1m'
),

-- a day that a vendor delivered need not equal the sum of its minutes
bars_of_minutes as (
    select * from bars
    where timeframe in ('5m', '15m', '30m', '1h')
    union all
    select bars.*
    from bars
    anti join delivered_days using (symbol, session_date)
    where bars.timeframe = '1d'
),

minute_sums as (
    select
        bars_of_minutes.symbol,
        bars_of_minutes.timeframe,
        bars_of_minutes.bar_ts,
        arg_min(minutes.adjusted_open, minutes.bar_ts) as open,
        max(minutes.adjusted_high) as high,
        min(minutes.adjusted_low) as low,
        arg_max(minutes.adjusted_close, minutes.bar_ts) as close,
        sum(minutes.adjusted_volume) as volume,
        count(*) = count(minutes.adjusted_volume) as has_volume
    from bars_of_minutes
    left join minutes
        on
            bars_of_minutes.symbol = minutes.symbol
            and bars_of_minutes.bar_ts <= minutes.bar_ts
            and bars_of_minutes.bar_end > minutes.bar_ts
            and bars_of_minutes.session_date = minutes.session_date
    group by bars_of_minutes.symbol, bars_of_minutes.timeframe, bars_of_minutes.bar_ts
),

-- adjusted days are all in the same shares, even if there is a split within the week
day_sums as (
    select
        days.symbol,
        '1w' as timeframe,
        min(days.bar_ts) as bar_ts,
        arg_min(days.adjusted_open, days.bar_ts) as open,
        max(days.adjusted_high) as high,
        min(days.adjusted_low) as low,
        arg_max(days.adjusted_close, days.bar_ts) as close,
        sum(days.adjusted_volume) as volume,
        count(*) = count(days.adjusted_volume) as has_volume
    from bars as days
    inner join sessions using (calendar, session_date)
    where days.timeframe = '1d'
    group by days.symbol, sessions.week_close_ts
),

sums as (
    select * from minute_sums
    union all
    select * from day_sums
),

longer_bars as (
    select * from bars_of_minutes
    union all
    select * from bars
    where timeframe = '1w'
)

select
    symbol,
    timeframe,
    bar_ts
from longer_bars
left join sums using (symbol, timeframe, bar_ts)
where
    coalesce(
        greatest(
            abs(longer_bars.adjusted_open / sums.open - 1),
            abs(longer_bars.adjusted_high / sums.high - 1),
            abs(longer_bars.adjusted_low / sums.low - 1),
            abs(longer_bars.adjusted_close / sums.close - 1)
        ) > 1e-9,
        true
    )
    -- a volume may be 0, or null as soon as one part of it is
    or (longer_bars.adjusted_volume is not null) != sums.has_volume
    or abs(longer_bars.adjusted_volume - sums.volume) > 1e-9 * sums.volume + 1e-6
