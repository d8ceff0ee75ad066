"""A symbol: what it is, its signals, and its bars with indicators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from duckbourse.market import IN_ORDER
from duckbourse.pages.asking import NotUsable, Panels, one_of
from duckbourse.pages.sessions import session_of
from duckbourse.pages.signals import signals_where

# bars that a report shows: a day, two, eight, sixteen and thirty sessions, a year, five years
SHOWN_BARS = {"1m": 390, "5m": 156, "15m": 208, "30m": 208, "1h": 210, "1d": 250, "1w": 250}
# calendar days after the session, so that daily bars show what followed
DAYS_AFTER = 84
MOST_POINTS = 20_000

# name in the answer -> table and column of an indicator
INDICATORS = {
    "sma_20": ("moving_averages", "sma_20"),
    "sma_50": ("moving_averages", "sma_50"),
    "bollinger_lower": ("bands", "bollinger_lower_20"),
    "bollinger_upper": ("bands", "bollinger_upper_20"),
    "vwap": ("vwap", "vwap_session"),
    "rsi_14": ("momentum", "rsi_14"),
    "macd": ("macd", "macd_12_26_9"),
    "macd_signal": ("macd", "macd_signal_12_26_9"),
    "macd_histogram": ("macd", "macd_histogram_12_26_9"),
}
# as a chart draws them: a price has two digits after the point, and four below 10
DRAWN = (
    "minute",
    *(f"round({name}, 4) as {name}" for name in ("open", "high", "low", "close")),
    "round(volume) as volume",
    *(
        f"round({name}, if(close < 10, 4, 2)) as {name}"
        for name in ("sma_20", "sma_50", "bollinger_lower", "bollinger_upper", "vwap")
    ),
    "round(rsi_14, 1) as rsi_14",
    *(f"round({name}, 4) as {name}" for name in ("macd", "macd_signal", "macd_histogram")),
)
SERIES = """
    select
        epoch(bar_ts)::bigint // 60 as minute,
        bar_ts,
        adjusted_open as open,
        adjusted_high as high,
        adjusted_low as low,
        adjusted_close as close,
        adjusted_volume as volume,
        {indicators}
    from bars.ohlcv
    {joins}
    where
        ohlcv.symbol = $symbol
        and ohlcv.timeframe = $timeframe
        {condition}
"""
NEWEST = """
with series as ({series}
    order by bar_ts desc
    limit $count
)
select {columns}
from series
order by minute
"""
# the newest value of an indicator stands for its point, and the bars' own extremes
THINNED = """
with series as ({series}
),

points as (
    select *, (row_number() over (order by bar_ts) - 1) * $points // count(*) over () as point
    from series
)

select
    min(minute) as minute,
    arg_min(open, bar_ts) as open,
    max(high) as high,
    min(low) as low,
    arg_max(close, bar_ts) as close,
    sum(volume) as volume,
    {columns}
from points
group by point
order by minute
"""
# the price of a page: of the last bar itself, not of a point that stands for several
LAST = """
with newest as (
    select symbol, timeframe, bar_ts, session_date, adjusted_close as close
    from bars.ohlcv
    where symbol = $symbol and timeframe = $timeframe {condition}
    order by bar_ts desc
    limit 1
)

select
    epoch(newest.bar_ts)::bigint // 60 as minute,
    any_value(newest.close) as close,
    any_value(newest.close) / arg_max(ohlcv.adjusted_close, ohlcv.bar_ts) - 1 as session_return
from newest
left join bars.ohlcv
    on newest.symbol = ohlcv.symbol
    and newest.timeframe = ohlcv.timeframe
    and newest.session_date > ohlcv.session_date
group by newest.bar_ts
"""


def symbol(
    panels: Panels, name: str, *, date: str | None = None, scanner: str | None = None
) -> dict[str, Any]:
    """Answer `/symbols/{symbol}`: the instrument, its timeframes, actions, signals and gaps."""
    _known(panels, name)
    session = session_of(panels, date)
    return {
        "symbol": name,
        "instrument": panels.row(
            "instrument",
            """
            select name, kind, sector, currency, tick_size, lot_size, price_band_pct
            from seeds.instruments
            where symbol = $symbol
            """,
            symbol=name,
        ),
        "timeframes": panels.rows(
            "timeframes",
            f"""
            select
                timeframe,
                min(session_date) as first_session_date,
                max(session_date) as last_session_date,
                count(*) as bar_count,
                string_agg(distinct source order by source) as source
            from bars.ohlcv
            where symbol = $symbol
            group by timeframe
            order by {IN_ORDER}
            """,
            symbol=name,
        ),
        "actions": panels.rows(
            "actions",
            """
            select ex_date, action, old_shares, new_shares, dividend_amount
            from seeds.corporate_actions
            where symbol = $symbol
            order by ex_date
            """,
            symbol=name,
        ),
        "signals": signals_where(
            panels,
            "symbol = $symbol and session_date between $session - 6 and $session",
            scanner,
            symbol=name,
            session=session,
        ),
        # the sessions by which a series is late are not added to those of another
        "quality": panels.rows(
            "quality",
            """
            select
                finding,
                case
                    when finding in ('behind', 'ended') then max(finding_count)
                    else sum(finding_count)
                end::bigint as finding_count
            from serving.data_quality
            where symbol = $symbol and timeframe in ('1d', '1m')
            group by finding
            order by finding
            """,
            symbol=name,
        ),
    }


def bars(
    panels: Panels,
    name: str,
    timeframe: str,
    *,
    date: str | None = None,
    since: str | None = None,
    until: str | None = None,
    points: str | None = None,
) -> dict[str, Any]:
    """
    Answer `/symbols/{symbol}/{timeframe}`: bars as columns, with the indicators of a chart.

    Without parameters, the newest bars to the session, or to twelve weeks after it if they are
    daily or weekly. `from` and `to` (exchange-local, the latter excluded) choose others, and
    `points` says how many a screen can show: if there are more bars, each point is of as many
    neighbors as needed, with their open, high, low, close and volume, and the last value of each
    indicator. `bars_per_point` is 1 if nothing was thinned. `last` is the last bar itself, with its
    change from the close of the session before. `minute` counts minutes since 1970 in
    exchange-local time; prices and volume are adjusted for splits and bonuses.
    """
    frames = _known(panels, name)
    one_of("timeframe", timeframe, frames, f" of {name}")
    is_range = since is not None or until is not None or points is not None
    if is_range:
        return _range(panels, name, timeframe, since, until, points)
    session = session_of(panels, date)
    is_daily = timeframe in ("1d", "1w")
    condition = "and session_date <= $last" if session else ""
    values = {"last": _last(panels, name, timeframe, session, is_daily)} if session else {}
    found = panels.columns(
        "bars",
        NEWEST.format(series=_series(condition), columns=",\n    ".join(DRAWN)),
        symbol=name,
        timeframe=timeframe,
        count=SHOWN_BARS[timeframe],
        **values,
    )
    return {
        "symbol": name,
        "timeframe": timeframe,
        "bars_per_point": 1,
        "last": _last_bar(panels, name, timeframe, condition, values),
        "columns": _without_empty(found),
    }


def _range(
    panels: Panels,
    name: str,
    timeframe: str,
    since: str | None,
    until: str | None,
    points: str | None,
) -> dict[str, Any]:
    condition, values = "", {}
    for parameter, text, sign in (("since", since, ">="), ("until", until, "<")):
        if text is not None:
            condition += f" and bar_ts {sign} ${parameter}"
            values[parameter] = _instant(text, {"since": "from", "until": "to"}[parameter])
    count = _number("2000" if points is None else points)
    found = panels.columns(
        "bars",
        THINNED.format(
            series=_series(condition),
            columns=", ".join(f"arg_max({key}, bar_ts) as {key}" for key in INDICATORS),
        ),
        symbol=name,
        timeframe=timeframe,
        points=count,
        **values,
    )
    bounds = panels.row(
        "bounds",
        f"""
        select
            epoch(min(bar_ts))::bigint // 60 as first_minute,
            epoch(max(bar_ts))::bigint // 60 as last_minute,
            count(*) filter (true {condition}) as bar_count
        from bars.ohlcv
        where symbol = $symbol and timeframe = $timeframe
        """,
        symbol=name,
        timeframe=timeframe,
        **values,
    )
    assert bounds is not None  # an aggregate has a row
    return {
        "symbol": name,
        "timeframe": timeframe,
        "bars_per_point": max(1, -(-bounds.pop("bar_count") // count)),
        **bounds,
        "last": _last_bar(panels, name, timeframe, condition, values),
        "columns": _without_empty(found),
    }


def _last_bar(
    panels: Panels, name: str, timeframe: str, condition: str, values: dict[str, Any]
) -> dict[str, Any] | None:
    found = LAST.format(condition=condition)
    return panels.row("last bar", found, symbol=name, timeframe=timeframe, **values)


def _known(panels: Panels, name: str) -> list[str]:
    query = f"select timeframe from serving.latest_bars where symbol = $symbol order by {IN_ORDER}"
    frames: list[str] = panels.values(query, symbol=name)
    if not frames:
        known = panels.values("select distinct symbol from serving.latest_bars order by all")
        one_of("symbol", name, known)
    return frames


def _last(panels: Panels, name: str, timeframe: str, session: object, is_daily: bool) -> object:
    """Return the last session to show; of bars that begin after it, a year from their beginning."""
    [last] = panels.values(
        """
        select if($session < min(session_date), min(session_date) + 360, $session + $days)::date
        from bars.ohlcv
        where symbol = $symbol and timeframe = $timeframe
        """,
        session=session,
        days=DAYS_AFTER if is_daily else 0,
        symbol=name,
        timeframe=timeframe,
    )
    return last


def _series(condition: str) -> str:
    tables = dict.fromkeys(table for table, _ in INDICATORS.values())
    return SERIES.format(
        indicators=",\n        ".join(
            f"{table}.{column} as {key}" for key, (table, column) in INDICATORS.items()
        ),
        joins="\n    ".join(
            f"left join indicators.{table} using (symbol, timeframe, bar_ts)" for table in tables
        ),
        condition=condition,
    )


def _without_empty(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Leave out indicators that are nowhere known, such as the VWAP of days."""
    return {
        name: values
        for name, values in columns.items()
        if name not in INDICATORS or any(value is not None for value in values)
    }


def _instant(text: str, parameter: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is not None:
        raise NotUsable(
            f"{parameter} {text[:40]!r} is not an exchange-local time",
            "write it as in 2010-05-28T09:30",
        )
    return instant


def _number(text: str) -> int:
    digits = text.lstrip("0")
    is_number = text.isascii() and digits.isdigit() and len(digits) <= len(str(MOST_POINTS))
    if not is_number or int(digits) > MOST_POINTS:
        raise NotUsable(
            f"points {text[:40]!r} is not a number of points", f"give 1 to {MOST_POINTS:,}"
        )
    return int(digits)
