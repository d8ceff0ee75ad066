{#- Prices within this relative difference are equal, so a close on a line is not beyond it even if
    a later split moves the last bit of either. -#}
{%- set tie = 1e-9 -%}
{%- set candle_families = [
    'candles_of_one_bar',
    'candles_of_two_bars',
    'candles_of_three_bars',
    'candles_of_more_bars',
] -%}
{#- Number of bars, this one included, of which it is the narrowest. -#}
{%- set narrowest_of = [4, 7] -%}

with

all_bars as (
    select * from {{ ref('bars__ohlcv') }}
),

settings as (
    select * from {{ ref('pattern_settings') }}
),

formations as (
    select * from {{ ref('scanners__chart_formations') }}
),

conflicts as (
    select * from {{ ref('bars__day_minute_conflicts') }}
),

{% for family in candle_families -%}
{{ family }} as (
    select * from {{ ref('indicators__' ~ family) }}
    semi join settings using (timeframe)
),

{% endfor -%}

bars as (
    select
        symbol,
        timeframe,
        bar_ts,
        bar_end,
        session_date,
        calendar,
        bar_number,
        adjusted_high,
        adjusted_low,
        adjusted_close,
        adjusted_high - adjusted_low as high_low
    from all_bars
    semi join settings using (timeframe)
),

-- one row per bar and pattern; unpivot leaves NULLs out
candle_values as (
    {% for family in candle_families -%}
    select
        symbol,
        timeframe,
        bar_ts,
        pattern,
        strength
    from (
        select
            symbol,
            timeframe,
            bar_ts,
            nullif(columns('candle_.*'), 0)
        from {{ family }}
    )
    unpivot (strength for pattern in (columns('candle_.*')))
    {{ 'union all' if not loop.last }}
    {% endfor -%}
),

candle_events as (
    select
        bars.symbol,
        bars.timeframe,
        bars.bar_ts,
        candle_values.pattern,
        if(candle_values.strength > 0, 'long', 'short') as direction,
        bars.bar_end as known_ts,
        bars.session_date,
        bars.calendar,
        abs(candle_values.strength)::smallint as strength,
        null::timestamp as started_ts,
        null::timestamp as formed_ts,
        null::double as upper_price,
        null::double as lower_price
    from candle_values
    inner join bars using (symbol, timeframe, bar_ts)
),

narrow_bars as (
    select
        *,
        {% for count in narrowest_of -%}
        bar_number >= {{ count - 1 }}
        and high_low < {{ 1 - tie }} * min(high_low) over (
            partition by symbol, timeframe
            order by bar_number
            rows between {{ count - 1 }} preceding and 1 preceding
        ) as is_narrowest_of_{{ count }},
        {% endfor -%}
        adjusted_high < lag(adjusted_high) over series
        and adjusted_low > lag(adjusted_low) over series as is_inside
    from bars
    window series as (partition by symbol, timeframe order by bar_number)
),

-- one row per bar, with the narrow bar before it, from which it may break out
breaks as (
    select
        symbol,
        timeframe,
        bar_ts,
        bar_end,
        session_date,
        calendar,
        adjusted_close,
        lag(bar_ts) over series as started_ts,
        lag(bar_end) over series as formed_ts,
        lag(adjusted_high) over series as upper_price,
        lag(adjusted_low) over series as lower_price,
        {% for count in narrowest_of -%}
        lag(is_narrowest_of_{{ count }}) over series as nr{{ count }},
        {% endfor -%}
        lag(is_inside) over series as inside_bar
    from narrow_bars
    window series as (partition by symbol, timeframe order by bar_number)
),

narrow_events as (
    {% for pattern in ['inside_bar', 'nr4', 'nr7'] -%}
    select
        symbol,
        timeframe,
        bar_ts,
        '{{ pattern }}' as pattern,
        if(adjusted_close > upper_price, 'long', 'short') as direction,
        bar_end as known_ts,
        session_date,
        calendar,
        null::smallint as strength,
        started_ts,
        formed_ts,
        upper_price,
        lower_price
    from breaks
    where {{ pattern }} and (adjusted_close > upper_price or adjusted_close < lower_price)
    {{ 'union all' if not loop.last }}
    {% endfor -%}
),

waits as (
    select
        *,
        unnest(range(formed_bar_number, last_bar_number + 1)) as bar_number
    from formations
),

-- prices of both lines at the bar
lines as (
    select
        waits.symbol,
        waits.timeframe,
        waits.pattern,
        waits.breaks_to,
        waits.started_bar_number,
        waits.formed_bar_number,
        waits.bar_number,
        bars.adjusted_close,
        waits.upper_price + waits.upper_slope * (waits.bar_number - waits.formed_bar_number)
            as upper_price,
        waits.lower_price + waits.lower_slope * (waits.bar_number - waits.formed_bar_number)
            as lower_price
    from waits
    inner join bars using (symbol, timeframe, bar_number)
),

-- the first close outside the lines, on either side, ends a shape
ends as (
    select
        *,
        if(adjusted_close > upper_price, 'long', 'short') as direction
    from lines
    where
        upper_price > lower_price
        and (
            adjusted_close > {{ 1 + tie }} * upper_price
            or adjusted_close < {{ 1 - tie }} * lower_price
        )
    qualify
        row_number() over (
            partition by symbol, timeframe, pattern, started_bar_number, formed_bar_number
            order by bar_number
        ) = 1
),

-- of shapes with the same start, the first to break out
breakouts as (
    select * from ends
    where breaks_to in ('both', direction)
    qualify
        row_number() over (
            partition by symbol, timeframe, pattern, started_bar_number
            order by bar_number, formed_bar_number
        ) = 1
),

-- of shapes that break out at the same bar, the last to be formed
chart_breaks as (
    select * from breakouts
    qualify
        row_number() over (
            partition by symbol, timeframe, bar_number, pattern
            order by formed_bar_number desc, started_bar_number desc, direction
        ) = 1
),

chart_events as (
    select
        bars.symbol,
        bars.timeframe,
        bars.bar_ts,
        chart_breaks.pattern,
        chart_breaks.direction,
        bars.bar_end as known_ts,
        bars.session_date,
        bars.calendar,
        null::smallint as strength,
        first_bars.bar_ts as started_ts,
        formed_bars.bar_end as formed_ts,
        chart_breaks.upper_price,
        chart_breaks.lower_price
    from chart_breaks
    inner join bars using (symbol, timeframe, bar_number)
    inner join bars as first_bars
        on
            chart_breaks.symbol = first_bars.symbol
            and chart_breaks.timeframe = first_bars.timeframe
            and chart_breaks.started_bar_number = first_bars.bar_number
    inner join bars as formed_bars
        on
            chart_breaks.symbol = formed_bars.symbol
            and chart_breaks.timeframe = formed_bars.timeframe
            and chart_breaks.formed_bar_number = formed_bars.bar_number
),

events as (
    select * from candle_events
    union all
    select * from narrow_events
    union all
    select * from chart_events
),

-- A day that its minutes contradict has no daily event, and its week no weekly one. Events of
-- shorter bars stay: in their session the contradiction is not known yet.
final as (
    select events.*
    from events
    anti join conflicts
        on
            events.symbol = conflicts.symbol
            and events.timeframe in ('1d', '1w')
            and conflicts.session_date between events.bar_ts::date and events.session_date
)

select * from final
order by symbol, timeframe, bar_ts, pattern
