"""
Faults found in vendors' files, as rows of a raw store, in one warehouse.

A row is kept, or rejected with its rule. One symbol's rows never affect another symbol, and no data
test fails.
"""

from __future__ import annotations

import duckdb
import pytest

from tests.support.deliveries import deliver
from tests.support.warehouse import Warehouse, empty_store

SELECTED = (
    *("+bars__rejected", "+bars__ohlcv", "+bars__staleness", "bars__missing", "bars__restatements"),
    *("+bars__suspect_jumps", "+bars__suspect_extremes", "+scanners__gap"),
)
# cents in doubles: 111.420256 is what the vendor rounded to, and the high came out below it
HIGH, CLOSE = 111.42025599999998, 111.420256


def daily(
    rows: str, *, calendar: str = "XNYS", source: str = "vendor", doubled: bool = False
) -> str:
    """Return daily rows from values of symbol, day, open, high, low, close, volume."""
    twice = ", range(2)" if doubled else ""
    return f"""
        select
            symbol, day::date as session_date, open::double as open, high::double as high,
            low::double as low, close::double as close, volume::double as volume,
            '{calendar}' as calendar, '{source}' as source, 'made up' as source_file,
            row_number() over () as source_row, '' as delivery, null::timestamp as delivered_at
        from ({rows}) as delivered (symbol, day, open, high, low, close, volume){twice}
    """


def minutes(rows: str, *, calendar: str = "XNYS", source: str = "ticks") -> str:
    """Return minute rows from values of symbol, start, open, high, low, close, volume."""
    return (
        "select * exclude (session_date, bar_ts), bar_ts, bar_ts::date as session_date from ("
        + daily(rows, calendar=calendar, source=source).replace(
            "day::date as session_date",
            "day::timestamp as bar_ts, null::date as session_date",
        )
        + ")"
    )


def session(symbol: str, day: str, price: float, volume: str = "100") -> str:
    """Return the minutes of a session that rises steadily from a price by one percent."""
    return f"""
        select
            '{symbol}', timestamp '{day} 09:30' + to_minutes(n::integer),
            {price} * (1 + n / 39000), {price} * (1 + n / 39000), {price} * (1 + n / 39000),
            {price} * (1 + n / 39000), {volume}
        from range(390) as session (n)
    """


def days(symbol: str, *prices: tuple[str, float]) -> str:
    """Return a daily bar for each date and price, equal to the session of that price."""
    values = ", ".join(
        f"('{symbol}', '{day}', {price}, {price} * (1 + 389 / 39000), {price}, "
        f"{price} * (1 + 389 / 39000), 39000)"
        for day, price in prices
    )
    return f"from (values {values})"


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("field")
    warehouse = Warehouse(empty_store(folder / "data"), folder / "target", sample=False)

    def add(name: str, rows: str, *, at: str = "2024-06-01", kind: str = "daily") -> None:
        deliver(warehouse, name, kind, rows, at)

    five = "unnest(['A', 'B', 'C', 'D', 'E'])"
    add(
        "twice",
        daily(
            "select 'TWICE_' || chr(54 + p::integer), '2024-05-06', p, p + 2, p - 1, p + 1, "
            "p * 100 from range(11, 16) as prices (p)",
            source="pystock",
            doubled=True,
        ),
    )
    add(
        "copied",
        daily(f"select 'COPIED_' || {five}, '2024-05-06', 10, 12, 9, 11, 1234", source="pystock")
        + " union all "
        # the second of them is there twice
        + daily("values ('COPIED_B', '2024-05-06', 10, 12, 9, 11, 1234)", source="pystock"),
    )
    add(
        "illiquid",
        daily(
            f"select 'TRADED_ONCE_' || {five}, '2024-05-06', 100, 100, 100, 100, 1 "
            "union all select 'TWO_PRICES_' || "
            + five
            + ", '2024-05-06', 0.05, 0.06, 0.05, 0.06, 1000 "
            # so that five that are alike are no fifth of the symbols, which would be red
            "union all select 'SOUND_' || n, '2024-05-06', n + 5, n + 7, n + 4, n + 6, 100 "
            "from range(11) as numbers (n)",
            source="pystock",
        ),
    )
    add(
        "coin",
        daily(
            "select 'PEPE', date '2024-05-13' + n::integer, 1.01e-5, 1.09e-5, 9.9e-6, 1.05e-5, "
            "(313 + n) * 1e12 from range(7) as d (n)",
            calendar="ALWAYS",
        ),
    )
    add(
        "limits",
        daily("""
            values
                ('LARGE', '2024-05-06', 10, 11, 9, 10, 9e17),
                ('LARGE', '2024-05-07', 10, 11, 9, 10, 1e19),
                ('LARGE', '2024-05-08', 9e11, 9e11, 9e11, 9e11, 1),
                ('LARGE', '2024-05-09', 1e12, 1e12, 1e12, 1e12, 1),
                ('LARGE', '2024-05-10', 1.7976931348623157e308, 11, 9, 10, 5),
                ('NONE', '2024-05-06', 10, 11, 9, 10, 1.7976931348623157e308),
                ('NONE', '2024-05-07', 10, 11, 9, 10, 'nan'),
                ('NONE', '2024-05-08', 10, 11, 9, 10, -99),
                ('NONE', '2024-05-09', 10, 11, 9, 10, 2147483647),
                ('NONE', '2024-05-10', 10, 11, 9, 10, 0),
                ('NEGATIVE', '2024-05-06', 10, 11, 9, 10, -12345),
                ('UNTRADED', '2024-05-06', 10, 11, 9, 10, 5),
                ('UNTRADED', '2024-05-07', 0, 0, 0, 0, 0),
                ('UNTRADED', '2024-05-08', null, null, null, null, null),
                ('UNTRADED', '2024-05-09', 0, 0, 0, 10, 0),
                ('UNTRADED', '2024-05-10', 10, 11, 9, 10, 5)
        """),
    )
    add(
        "rounding",
        daily(f"""
            values
                ('ROUNDED', '2024-05-06', 110.5, {HIGH!r}, 109.9, {CLOSE!r}, 5),
                ('ROUNDED', '2024-05-07', 110.5, 111, 110.50000000000001, 110.6, 5),
                -- of prices in 32 bits
                ('ROUNDED', '2024-05-08', 110.5, 111.42024, 109.9, 111.420256, 5),
                ('WRONG', '2024-05-06', 110.5, 111.42, 109.9, 111.420256, 5),
                ('WRONG', '2024-05-07', 110.5, 111, 110.501, 110.6, 5)
        """),
    )
    add("ib", minutes(session("IBX", "2024-05-06", 100, volume="-1"), source="ib"), kind="minute")
    # one of two exchanges was delivered first
    add(
        "rupees",
        daily(
            "select 'INFY', unnest(['2024-05-06', '2024-05-07']), 1400, 1410, 1390, 1400, 5e6",
            calendar="XNSE",
            source="kite",
        ),
        at="2024-06-01 10:00",
    )
    add(
        "dollars",
        daily(
            "select 'INFY', unnest(['2024-05-07', '2024-05-08']), 17, 18, 16, 17, 1e6",
            source="kite",
        ),
        at="2024-06-01 11:00",
    )
    add(
        "adjusted",
        daily(
            days(
                "SPLIT", *((f"2024-05-{day:02}", 11.0) for day in (6, 7, 8)), ("2024-05-09", 110.0)
            )
            + " union all "
            + days("AGREES", *((f"2024-05-{day:02}", 110.0) for day in (6, 7, 8, 9)))
            + " union all "
            + days("LATE", *((f"2024-05-{day:02}", 11.0) for day in (6, 7)))
            + " union all values ('SPIKE', '2024-05-06', 100, 101, 99, 100, 5), "
            "('SPIKE', '2024-05-07', 100, 9963, 98, 98.85, 5)"
        ),
    )
    traded = [
        session(symbol, f"2024-05-{day:02}", 110.0 if day < 10 else 120.0)
        for symbol, first in (("SPLIT", 7), ("AGREES", 7), ("LATE", 8))
        for day in range(first, 11)
    ]
    add("as_traded", minutes(" union all ".join(traded)), kind="minute")
    # at ten in Mumbai: the day is still on, and so is the last minute; another is of after it
    now = "2024-05-08 04:30"
    add("today", daily("values ('TODAY', '2024-05-08', 9, 11, 9, 10, 5)", calendar="XNSE"), at=now)
    add(
        "to_cutoff",
        minutes(
            "select 'TODAY', timestamp '2024-05-08 09:15' + to_minutes(n::integer), "
            "10, 10, 10, 10, 5 from range(46) as m (n) union all "
            "values ('TODAY', timestamp '2024-05-08 15:29', 10, 10, 10, 10, 5)",
            calendar="XNSE",
        ),
        at=now,
        kind="minute",
    )
    # a row of a day that is not over says nothing of how far the market's data goes
    add("tomorrow", daily("values ('AGREES', '2027-05-06', 1, 1, 1, 1, 5)", source="careless"))
    warehouse.dbt(
        *("build", "--exclude-resource-types", "unit_test"),
        *("--indirect-selection", "cautious", "-s", *SELECTED),
    )
    return warehouse


def rules(field: Warehouse, symbols: str) -> list[tuple[object, ...]]:
    return field.query(
        "select symbol, strftime(session_date, '%d'), rule from bars.rejected "
        f"where symbol similar to '{symbols}' order by all"
    )


def kept(field: Warehouse, symbols: str, columns: str = "close") -> list[tuple[object, ...]]:
    return field.query(
        f"select symbol, strftime(session_date, '%d'), {columns} from bars.ohlcv "
        f"where timeframe = '1d' and symbol similar to '{symbols}' order by all"
    )


def test_repeated_rows_count_once(field: Warehouse) -> None:
    names = [f"TWICE_{name}" for name in "ABCDE"]
    assert rules(field, "TWICE_.*") == [(name, "06", "duplicate") for name in names]
    assert kept(field, "TWICE_.*") == [
        (name, "06", close) for name, close in zip(names, range(12, 17), strict=True)
    ]


def test_prices_copied_across_symbols_are_rejected(field: Warehouse) -> None:
    """A repeated row of one of them does not hide the copies."""
    names = [f"COPIED_{name}" for name in "ABBCDE"]
    assert rules(field, "COPIED_.*") == [(name, "06", "copied_across_symbols") for name in names]
    assert kept(field, "COPIED_.*") == []


def test_illiquid_symbols_may_have_equal_prices(field: Warehouse) -> None:
    assert rules(field, "(TRADED_ONCE|TWO_PRICES)_.*") == []
    assert len(kept(field, "(TRADED_ONCE|TWO_PRICES)_.*")) == 10


def test_a_large_volume_is_kept(field: Warehouse) -> None:
    assert field.query(
        "select volume from bars.ohlcv where symbol = 'PEPE' and timeframe = '1w'"
    ) == [(2212e12,)]
    assert kept(field, "LARGE", "volume") == [("LARGE", "06", 9e17), ("LARGE", "08", 1.0)]
    assert rules(field, "LARGE") == [
        ("LARGE", "07", "impossible_volume"),
        ("LARGE", "09", "impossible_price"),
        ("LARGE", "10", "missing_price"),
    ]


def test_a_marker_for_missing_volume_is_accepted(field: Warehouse) -> None:
    assert rules(field, "IBX|NONE") == []
    assert field.query(
        "select timeframe, count(*), count(volume), max(close) from bars.ohlcv "
        "where symbol = 'IBX' and timeframe in ('1m', '1d') group by timeframe order by timeframe"
    ) == [("1d", 1, 0, 100 * (1 + 389 / 39000)), ("1m", 390, 0, 100 * (1 + 389 / 39000))]
    assert [row[2] for row in kept(field, "NONE", "volume")] == [None, None, None, None, 0.0]
    assert rules(field, "NEGATIVE") == [("NEGATIVE", "06", "impossible_volume")]


def test_a_day_without_a_trade_is_no_bar(field: Warehouse) -> None:
    untraded = [("UNTRADED", day, "nothing_traded") for day in ("07", "08", "09")]
    assert rules(field, "UNTRADED") == untraded
    assert [row[1] for row in kept(field, "UNTRADED")] == ["06", "10"]


def test_rounding_is_not_a_fault(field: Warehouse) -> None:
    assert HIGH < CLOSE
    assert kept(field, "ROUNDED", "high, low") == [
        ("ROUNDED", "06", CLOSE, 109.9),
        ("ROUNDED", "07", 111.0, 110.5),
        ("ROUNDED", "08", 111.420256, 109.9),
    ]
    assert rules(field, "ROUNDED|WRONG") == [
        ("WRONG", "06", "high_is_not_highest"),
        ("WRONG", "07", "low_is_not_lowest"),
    ]


def test_a_symbol_trades_on_one_exchange(field: Warehouse) -> None:
    assert kept(field, "INFY", "close, calendar") == [
        ("INFY", "06", 1400.0, "XNSE"),
        ("INFY", "07", 1400.0, "XNSE"),
    ]
    assert rules(field, "INFY") == [
        ("INFY", "07", "symbol_of_another_calendar"),
        ("INFY", "08", "symbol_of_another_calendar"),
    ]
    assert field.query(
        "select count(*) from bars.suspect_jumps where symbol = 'INFY' union all "
        "select count(*) from bars.restatements where symbol = 'INFY'"
    ) == [(0,), (0,)]


def test_a_row_of_a_future_day_ends_no_week(field: Warehouse) -> None:
    assert rules(field, "AGREES") == [("AGREES", "06", "future_stamp")]
    assert field.query(
        "select distinct known_until::varchar from bars.symbol_days where calendar = 'XNYS'"
    ) == [("2024-05-10 16:00:00",)]


def test_an_open_bar_does_not_end_earlier_ones(field: Warehouse) -> None:
    assert field.query(
        "select distinct known_until::varchar from bars.symbol_days where calendar = 'XNSE'"
    ) == [("2024-05-08 10:00:00",)]
    assert field.query(
        "select timeframe, count(*), max(bar_end)::time::varchar from bars.ohlcv "
        "where symbol = 'TODAY' group by timeframe order by min(bar_end - bar_ts)"
    ) == [
        ("1m", 45, "10:00:00"),
        ("5m", 9, "10:00:00"),
        ("15m", 3, "10:00:00"),
        ("30m", 1, "09:45:00"),
    ]
    assert field.query(
        "select strftime(bar_ts, '%H:%M'), rule from bars.rejected where symbol = 'TODAY' "
        "order by bar_ts"
    ) == [("00:00", "future_stamp"), ("10:00", "future_stamp"), ("15:29", "future_stamp")]


@pytest.mark.parametrize(
    ("relation", "change"),
    [
        ("seeds.calendars", "late_tick_seconds + 1 as late_tick_seconds"),
        ("seeds.calendars", "'Asia/Tokyo' as timezone"),
        ("bars.sessions", "parts[2:] as parts"),
        ("bars.sessions", "week_close_ts + interval 1 day as week_close_ts"),
    ],
)
def test_a_day_of_other_hours_or_settings_is_built_again(
    field: Warehouse, relation: str, change: str
) -> None:
    versions = field.compiled("bars__symbol_days").strip()
    table = '"duckbourse".' + ".".join(f'"{name}"' for name in relation.split("."))
    assert table in versions
    with duckdb.connect() as connection:
        connection.execute(f"attach '{field.file}' as duckbourse (read_only)")
        connection.execute("use duckbourse")
        connection.execute(
            f"create temp table other as select * replace ({change}) from {relation}"
        )
        same = """
            select count(*)
            from ({}) as wanted
            inner join bars.symbol_days using (symbol, session_date, version)
            semi join bars.sessions
                on wanted.calendar = sessions.calendar
                and wanted.session_date = sessions.session_date
        """
        ((as_built,),) = connection.execute(same.format(versions)).fetchall()
        ((of_others,),) = connection.execute(
            same.format(versions.replace(table, "temp.other"))
        ).fetchall()
    assert as_built > 50
    assert of_others == 0


def test_a_delivered_day_is_compared_with_its_own_minutes(field: Warehouse) -> None:
    """LATE's minutes have no daily bar: the prior session is compared with their first price."""
    assert field.query(
        "select symbol, strftime(session_date, '%d'), compared_with, round(close_ratio, 9), "
        "strftime(agreed_date, '%d') from bars.day_minute_conflicts order by all"
    ) == [
        ("LATE", "07", "next_open", round(110 / (11 * (1 + 389 / 39000)), 9), "08"),
        ("SPLIT", "06", "next_open", round(110 / (11 * (1 + 389 / 39000)), 9), "09"),
        ("SPLIT", "07", "own_minutes", 10.0, "09"),
        ("SPLIT", "08", "own_minutes", 10.0, "09"),
    ]


def test_days_and_minutes_that_differ_are_not_scanned(field: Warehouse) -> None:
    """From the first price in other share units until a session after the two agree."""
    assert field.query(
        "select distinct symbol, strftime(session_date, '%d') from scanners.traded_to_cutoff "
        "where has_day_minute_conflict order by all"
    ) == [("LATE", "08"), ("SPLIT", "07"), ("SPLIT", "08"), ("SPLIT", "09")]
    # 120, after a prior close of 110 plus the one percent that it rose by
    assert field.query(
        "select symbol, strftime(session_date, '%d'), round(gap_pct, 2) "
        "from scanners.gap where rejected_by is null order by symbol"
    ) == [(symbol, "10", 8.01) for symbol in ("AGREES", "LATE", "SPLIT")]


def test_an_outlier_within_a_day_is_shown(field: Warehouse) -> None:
    assert field.query(
        "select symbol, strftime(session_date, '%d'), kind, outlier_ratio "
        "from bars.suspect_extremes"
    ) == [("SPIKE", "07", "high", 99.63)]
    assert kept(field, "SPIKE", "high") == [("SPIKE", "06", 101.0), ("SPIKE", "07", 9963.0)]
