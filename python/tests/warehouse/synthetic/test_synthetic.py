"""Made-up minutes match their days to the last digit, and depend only on their seed."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from duckbourse import clock, synthetic
from duckbourse.cli.sample_minutes import sample_minutes
from duckbourse.errors import ConfigurationError, PublicationError, StorageFull, StoreBusy
from duckbourse.ingest import RawStore
from duckbourse.ingest.schema import TABLES
from duckbourse.ingest.store import symbols_of
from duckbourse.ingest.withdrawals import again, withdraw
from duckbourse.settings import PROJECT
from duckbourse.synthetic import Plan
from duckbourse.synthetic.minutes import Bars, Days, Floats, minute_bars
from tests.support.warehouse import Warehouse

SAMPLE = PROJECT / "data" / "sample"
SHIPPED = [
    *("AAPL", "AMZN", "CAT", "CVX", "GOOG", "GS", "IBM", "JNJ"),
    *("KO", "MA", "MCD", "MMM", "PG", "UPS", "V", "XOM"),
]
FIRST, LAST = date(2010, 4, 1), date(2010, 5, 28)
DELIVERED_AT = datetime(2026, 11, 1, tzinfo=UTC)

Connection = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def con(sample: Warehouse) -> Iterator[Connection]:
    with synthetic.connected(sample.file) as connection:
        yield connection


@pytest.fixture(scope="module")
def shipped(con: Connection) -> Plan:
    """The plan of the shipped sample."""
    return planned(con, symbols=SHIPPED, first=FIRST, last=LAST)


def planned(con: Connection, **wanted: object) -> Plan:
    options = {"symbols": 3, "calendar": "XNYS", "seed": 1, **wanted}
    return synthetic.plan(con, **options)  # type: ignore[arg-type]


def bars_of(made: Plan, place: int) -> Bars:
    day, session = made.days.session(place), made.sessions[place]
    return minute_bars(day, made.seed, made.symbols, session, made.ticks_per_unit)


def rows_of(con: Connection, store: RawStore, order: str = "symbol, bar_ts") -> list[Any]:
    columns = ", ".join(name for name in TABLES["minute"] if name != "delivered_at")
    return con.execute(
        f"select {columns} from read_parquet('{store.root}/minute/**/*.parquet',"
        f" hive_partitioning = false) order by {order}"
    ).fetchall()


# ---------------------------------------------------------------------------------------------
# The shipped sample


def test_shipped_bars_agree_with_the_daily_bars(con: Connection) -> None:
    [(day_count, bar_count, agreeing)] = con.execute(f"""
        with

        days as (
            select
                symbol,
                session_date,
                arg_min(open, bar_ts) as open,
                max(high) as high,
                min(low) as low,
                arg_max(close, bar_ts) as close,
                sum(volume) as volume,
                count(*) as bar_count
            from read_parquet('{SAMPLE}/minute/*.parquet')
            group by symbol, session_date
        ),

        daily as (
            select symbol, session_date, open, high, low, close, volume
            from bars.ohlcv
            where timeframe = '1d'
        )

        select
            count(*),
            sum(bar_count),
            count(*) filter (
                (symbol, session_date, open, high, low, close, volume) in (from daily)
            )
        from days
    """).fetchall()
    assert (day_count, bar_count, agreeing) == (16 * 41, 16 * 41 * 390, 16 * 41)


def test_shipped_bars_are_sane(con: Connection) -> None:
    [(wrong, labels, symbols, sessions, minutes)] = con.execute(f"""
        select
            count(*) filter (
                high < greatest(open, close)
                or low > least(open, close)
                or volume < 0
                or volume <> floor(volume)
                or low <= 0
                or bar_ts::date <> session_date
                or bar_ts::time < time '09:30'
                or bar_ts::time >= time '16:00'
            ),
            list(distinct (calendar, source)),
            list(distinct symbol order by symbol),
            (min(session_date), max(session_date), count(distinct session_date)),
            count(distinct (symbol, bar_ts))
        from read_parquet('{SAMPLE}/minute/*.parquet')
    """).fetchall()
    assert wrong == 0
    assert labels == [("XNYS", "synthetic")]
    assert symbols == SHIPPED
    assert sessions == (FIRST, LAST, 41)
    assert minutes == 255_840


def test_shipped_bars_come_out_the_same_again(
    con: Connection, shipped: Plan, tmp_path: Path
) -> None:
    store = RawStore(tmp_path, flat=True)
    synthetic.deliver(con, shipped, store, delivered_at=DELIVERED_AT)
    for table in ("minute", "deliveries"):
        file = f"{table}/{shipped.delivery}.parquet"
        again, before = (
            f"(select * from read_parquet('{root / file}', file_row_number = true))"
            for root in (tmp_path, SAMPLE)
        )
        for left, right in ((again, before), (before, again)):
            assert con.execute(f"from {left} except all from {right}").fetchall() == []
    assert (SAMPLE / "minute" / f"{shipped.delivery}.parquet").stat().st_size < 5_000_000


def test_each_minute_has_a_row_of_its_own(con: Connection) -> None:
    [(bar_count, row_count, first_row, last_row)] = con.execute(
        "select count(*), count(distinct source_row), min(source_row), max(source_row)"
        f" from read_parquet('{SAMPLE}/minute/*.parquet')"
    ).fetchall()
    assert (bar_count, row_count, first_row, last_row) == (255_840, 255_840, 1, 255_840)


def test_the_readme_traces_a_bar_to_its_row() -> None:
    readme = (PROJECT / "models" / "bars" / "README.md").read_text()
    [recipe] = re.findall(r"```sql\n(.*?)```", readme, re.S)
    with duckdb.connect() as connection:
        connection.execute(f"set file_search_path = '{PROJECT}'")
        found = connection.execute(recipe).fetchall()
        # 25 sessions of 16 symbols, and before AAPL's 316th minute no other symbol's
        row = 24 * 16 * 390 + 316
        assert ("synthetic", "sample-minutes --seed 1", row, "690659ccd834d9b2") in found


def test_shipped_prices_are_on_the_cent_or_the_days_own(shipped: Plan) -> None:
    for place in range(len(shipped.sessions)):
        bars, day = bars_of(shipped, place), shipped.days.session(place)
        own = np.stack(day.columns()[:4], axis=1)[:, None, :]
        for prices in bars.columns()[:4]:
            on_the_grid = prices == np.rint(prices * 100) / 100
            assert (on_the_grid | (prices[:, :, None] == own).any(axis=2)).all()


# ---------------------------------------------------------------------------------------------
# What the minutes are like


@pytest.fixture(scope="module")
def minutes(shipped: Plan) -> list[tuple[Days, Bars]]:
    return [
        (shipped.days.session(place), bars_of(shipped, place))
        for place in range(len(shipped.sessions))
    ]


def test_volume_is_high_at_both_ends_of_the_session(minutes: list[tuple[Days, Bars]]) -> None:
    parts = np.stack([bars.volume / day.volume[:, None] for day, bars in minutes])
    half_hours = parts.reshape(41, 16, 13, 30).sum(axis=3).mean(axis=0)
    middle = half_hours[:, 5:9].max(axis=1)
    assert (half_hours[:, 0] > 2 * middle).all()
    assert (half_hours[:, -1] > 1.5 * middle).all()
    assert (np.diff(half_hours.mean(axis=0)[:7]) < 0).all()
    assert (np.diff(half_hours.mean(axis=0)[9:]) > 0).all()


def test_volatility_comes_in_clusters(minutes: list[tuple[Days, Bars]]) -> None:
    """Volatility is compared within a session, so that the shape of the day does not count."""
    moves = np.abs(np.concatenate([np.diff(np.log(bars.close), axis=1) for _, bars in minutes]))
    moves /= moves.mean(axis=1, keepdims=True)
    moves -= moves.mean(axis=0)

    def likeness(values: Floats, lag: int) -> float:
        return float((values[:, lag:] * values[:, :-lag]).mean() / (values**2).mean())

    assert likeness(moves, 1) > 0.1
    assert likeness(moves, 5) > 0.08
    assert likeness(moves, 1) > likeness(moves, 20) > likeness(moves, 120)
    shuffled = np.random.default_rng(1).permuted(moves, axis=1)
    assert abs(likeness(shuffled, 1)) < 0.02


def test_prices_move_more_near_the_open(minutes: list[tuple[Days, Bars]]) -> None:
    moves = np.abs(
        np.concatenate(
            [np.diff(bars.close, axis=1) / (day.high - day.low)[:, None] for day, bars in minutes]
        )
    )
    assert moves[:, :20].mean() > 1.4 * moves[:, 150:250].mean()
    assert moves[:, -20:].mean() > 1.05 * moves[:, 150:250].mean()


def test_returns_are_not_autocorrelated(minutes: list[tuple[Days, Bars]]) -> None:
    moves = np.concatenate([np.diff(np.log(bars.close), axis=1) for _, bars in minutes])
    moves /= moves.std(axis=1, keepdims=True)
    assert abs((moves[:, 1:] * moves[:, :-1]).mean()) < 0.05


def test_a_bar_opens_where_the_last_one_closed(minutes: list[tuple[Days, Bars]]) -> None:
    for _, bars in minutes:
        beside = np.abs(bars.open[:, 1:] - bars.close[:, :-1])
        # a day's own price may be between two ticks
        assert beside.max() < 0.0151
        assert 0.1 < (beside > 0).mean() < 0.4


def test_no_minute_covers_half_of_the_days_range(minutes: list[tuple[Days, Bars]]) -> None:
    for day, bars in minutes:
        way = (day.high - day.low)[:, None]
        assert (np.abs(np.diff(bars.close, axis=1)) < 0.5 * way).all()
    ways = np.concatenate(
        [(bars.high - bars.low) / (day.high - day.low)[:, None] for day, bars in minutes]
    )
    assert 0.03 < ways.mean() < 0.06


def test_prices_go_to_the_high_and_low_of_the_day(minutes: list[tuple[Days, Bars]]) -> None:
    """The extreme is not a spike: a bar closes there, unless the day opened or closed at it."""
    for day, bars in minutes:
        peaked = day.high > np.maximum(day.open, day.close)
        dipped = day.low < np.minimum(day.open, day.close)
        assert (day.high - bars.close.max(axis=1))[peaked].max() < 0.0101
        assert (bars.close.min(axis=1) - day.low)[dipped].max() < 0.0101


def test_high_and_low_are_not_always_at_the_same_time(minutes: list[tuple[Days, Bars]]) -> None:
    peaks = np.concatenate([bars.high.argmax(axis=1) for _, bars in minutes])
    troughs = np.concatenate([bars.low.argmin(axis=1) for _, bars in minutes])
    assert 0.3 < (peaks < troughs).mean() < 0.7
    for places in (peaks, troughs):
        assert len(np.unique(places)) > 150


# ---------------------------------------------------------------------------------------------
# Nothing but the seed, the symbol and the date decides


def test_more_symbols_or_sessions_change_nothing(con: Connection, shipped: Plan) -> None:
    alone = planned(con, symbols=["IBM"], first=date(2010, 5, 6), last=date(2010, 5, 7))
    place = [session.session_date for session in shipped.sessions].index(date(2010, 5, 6))
    for later in (0, 1):
        among = bars_of(shipped, place + later)
        for one, many in zip(bars_of(alone, later).columns(), among.columns(), strict=True):
            assert (one[0] == many[shipped.symbols.index("IBM")]).all()


@pytest.mark.parametrize("change", ["seed", "symbol", "date"])
def test_seed_symbol_and_date_each_decide(shipped: Plan, change: str) -> None:
    day = shipped.days.session(0)
    before = bars_of(shipped, 0)
    session = shipped.sessions[0]
    other = replace(session, session_date=date(2010, 4, 5))
    after = minute_bars(
        day,
        2 if change == "seed" else 1,
        [f"{name}X" for name in shipped.symbols] if change == "symbol" else shipped.symbols,
        other if change == "date" else session,
        100,
    )
    assert (before.close[:, 1:-1] != after.close[:, 1:-1]).any(axis=1).all()


def test_a_delivery_is_named_for_all_that_decides_it(con: Connection, shipped: Plan) -> None:
    small = planned(con, symbols=["IBM", "AAPL"], first=FIRST, last=FIRST)
    names = {
        shipped.delivery,
        small.delivery,
        replace(small, seed=2).delivery,
        replace(small, symbols=("AAPL", "IBX")).delivery,
        replace(small, calendar="XNSE").delivery,
        replace(small, days=replace(small.days, close=small.days.close + 0.01)).delivery,
        planned(con, symbols=["IBM", "AAPL"], first=FIRST, session_count=2).delivery,
    }
    assert len(names) == 7
    same = planned(con, symbols=["AAPL", "IBM"], session_count=1, last=FIRST)
    assert same.delivery == small.delivery
    assert len(small.delivery) == 16


# ---------------------------------------------------------------------------------------------
# Made-up days


def test_days_that_nobody_traded_are_made_up(con: Connection) -> None:
    made = planned(con, symbols=40, calendar="XNSE", session_count=30, last=date(2024, 11, 29))
    assert made.real_day_count == 0
    assert made.symbols[0] == "XNSE0001"
    day = made.days
    for values in day.columns():
        assert np.isfinite(values).all()
    assert (day.low > 0).all()
    assert (day.high >= np.maximum(day.open, day.close)).all()
    assert (day.low <= np.minimum(day.open, day.close)).all()
    assert (day.volume >= 1).all()
    assert (day.volume == np.floor(day.volume)).all()
    for prices in day.columns()[:4]:
        assert (prices == np.rint(prices * 20) / 20).all()
    returns = day.close[1:] / day.close[:-1] - 1
    assert 0.01 < returns.std() < 0.04
    # after 24 years, prices are still near their start of 50 to 2000
    assert 15 < day.close.min() < day.close.max() < 6000
    assert len(np.unique(day.open[0])) > 30


def test_made_up_days_do_not_depend_on_how_many_are_asked_for(con: Connection) -> None:
    last = date(2024, 11, 29)
    few = planned(con, symbols=2, calendar="XNSE", session_count=3, last=last)
    many = planned(con, symbols=5, calendar="XNSE", session_count=30, last=last)
    for short, long in zip(few.days.columns(), many.days.columns(), strict=True):
        assert (short == long[-3:, :2]).all()
    later = planned(con, symbols=2, calendar="XNSE", first=last, last=date(2025, 1, 31))
    assert (later.days.close[0] == few.days.close[-1]).all()


def test_real_days_go_before_made_up_ones(con: Connection) -> None:
    made = planned(con, symbols=["IBM", "NEW"], first=date(2010, 5, 3), last=date(2010, 5, 7))
    alone = planned(con, symbols=["IBM"], first=date(2010, 5, 3), last=date(2010, 5, 7))
    assert made.real_day_count == 5
    assert (made.days.close[:, 0] == alone.days.close[:, 0]).all()
    assert np.isfinite(made.days.close[:, 1]).all()


def publication(file: Path, sample: Warehouse, *bars: dict[str, object]) -> Path:
    """Write a published file with daily bars of IBM, which have one price and a volume of 500."""
    with duckdb.connect(str(file)) as con:
        con.execute(f"attach '{sample.file}' as built (read_only)")
        con.execute("create schema bars; create table bars.sessions as from built.bars.sessions")
        con.execute("create table bars.ohlcv as from built.bars.ohlcv limit 0")
        con.execute("detach built")
        for bar in bars:
            values = {
                **{"symbol": "IBM", "timeframe": "1d", "calendar": "XNYS", "source": "vendor"},
                **dict.fromkeys(("open", "high", "low", "close"), bar.get("price", 100.0)),
                "volume": 500.0,
                **{name: value for name, value in bar.items() if name != "price"},
            }
            places = ", ".join("?" * len(values))
            con.execute(
                f"insert into bars.ohlcv ({', '.join(values)}) values ({places})",
                list(values.values()),
            )
    return file


def test_days_without_a_real_bar_are_made_up(sample: Warehouse, tmp_path: Path) -> None:
    file = publication(
        tmp_path / "published.duckdb",
        sample,
        {"session_date": "2010-05-03"},
        {"session_date": "2010-05-04", "volume": None},
        # built from minutes, which may be our own
        {"session_date": "2010-05-05", "source": "synthetic"},
        {"session_date": "2010-05-06", "source": "mixed"},
        {"session_date": "2010-05-07", "timeframe": "1w"},
        {"session_date": "2010-05-10", "calendar": "XNSE"},
    )
    with synthetic.connected(file) as con:
        made = planned(con, symbols=["IBM"], first=date(2010, 5, 3), last=date(2010, 5, 10))
    assert (made.real_day_count, made.day_count) == (1, 6)
    assert made.days.close[0, 0] == 100
    assert np.isfinite(made.days.close).all()
    assert 50 < made.days.close.min() <= made.days.close.max() < 200


def test_made_up_days_go_on_from_the_last_real_one(sample: Warehouse, tmp_path: Path) -> None:
    file = publication(
        tmp_path / "published.duckdb",
        sample,
        {"session_date": "2010-05-03", "price": 10.0},
        {"session_date": "2010-05-04", "price": 500.0, "volume": 700.0},
    )
    with synthetic.connected(file) as con:
        made = planned(con, symbols=["IBM"], first=date(2010, 4, 30), session_count=500)
    close = made.days.close[:, 0]
    assert made.real_day_count == 2
    assert 4 < close[0] < 25
    assert close[1:3].tolist() == [10, 500]
    assert 400 < close[3] < 600
    assert 250 < close[-100:].mean() < 1000
    assert 100 < np.median(made.days.volume) < 3000


def test_without_a_publication_there_is_nothing_to_agree_with(tmp_path: Path) -> None:
    with (
        pytest.raises(PublicationError, match="nothing has been published") as refused,
        synthetic.connected(tmp_path / "none.duckdb"),
    ):
        pass
    assert refused.value.remedy.startswith("run `./bourse build`")


def test_the_most_traded_come_first_and_then_made_up_ones(con: Connection) -> None:
    days = {"first": date(2010, 5, 3), "last": date(2010, 5, 7)}
    few = planned(con, symbols=5, **days)
    many = planned(con, symbols=50, **days)
    assert "AAPL" in few.symbols
    assert set(few.symbols) < set(many.symbols)
    assert many.real_day_count == many.day_count
    all_and_more = planned(con, symbols=1000, **days)
    assert "XNYS0001" in all_and_more.symbols
    assert len(set(all_and_more.symbols)) == 1000


# ---------------------------------------------------------------------------------------------
# Sessions


@pytest.mark.parametrize(
    ("calendar", "day", "first_bar", "last_bar", "bar_count"),
    [
        ("XNYS", "2010-05-06", "09:30", "15:59", 390),
        ("XNYS", "2009-11-27", "09:30", "12:59", 210),
        ("XNSE", "2024-11-29", "09:15", "15:29", 375),
        ("XNSE", "2024-11-01", "18:00", "18:59", 60),
        ("XNSE", "2021-02-24", "09:15", "16:59", 145 + 75),
        ("XNSE", "2024-03-02", "09:15", "12:29", 45 + 60),
        ("ALWAYS", "2024-11-30", "00:00", "23:59", 1440),
    ],
)
def test_bars_are_the_minutes_of_the_calendar(
    con: Connection, calendar: str, day: str, first_bar: str, last_bar: str, bar_count: int
) -> None:
    only = date.fromisoformat(day)
    [session] = planned(con, symbols=1, calendar=calendar, first=only, last=only).sessions
    starts = session.bar_starts.astype("datetime64[m]").astype(str)
    assert [starts[0], starts[-1], len(starts)] == [
        f"{day}T{first_bar}",
        f"{day}T{last_bar}",
        bar_count,
    ]
    assert len(set(starts)) == bar_count


def test_the_sessions_of_choice_are_the_last_with_real_bars(con: Connection) -> None:
    made = planned(con)
    assert made.sessions[-1].session_date == date(2010, 8, 20)
    assert len(made.sessions) == 20
    assert made.real_day_count == made.day_count
    five = planned(con, first=date(2010, 5, 3), session_count=5)
    assert [session.session_date.day for session in five.sessions] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"calendar": "XNSY"}, "no calendar is called 'XNSY'; did you mean 'XNYS'?"),
        ({"seed": -1}, "a seed of -1 is negative"),
        ({"symbols": 0}, "0 symbols were requested"),
        ({"symbols": ["IBM", ""]}, "a symbol is empty"),
        ({"symbols": ["IBM", "IBM"]}, "the symbol 'IBM' is given twice"),
        ({"session_count": 0}, "0 were requested"),
        ({"first": date(2010, 5, 8), "last": date(2010, 5, 9)}, "XNYS has 0 sessions"),
        ({"first": LAST, "last": FIRST}, "XNYS has 0 sessions"),
        ({"first": FIRST, "last": LAST, "session_count": 3}, "cannot be combined"),
        ({"first": date(2027, 12, 30), "session_count": 5}, "XNYS has 2 sessions"),
        ({"first": date(1990, 1, 2), "session_count": 5}, "days before 2000-01-01 are not made up"),
    ],
)
def test_an_impossible_plan_is_refused(
    con: Connection, wanted: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        planned(con, **wanted)
    assert refused.value.remedy


# ---------------------------------------------------------------------------------------------
# Into the store


@pytest.fixture(scope="module")
def small(con: Connection) -> Plan:
    return planned(con, symbols=["AAPL", "IBM"], first=date(2010, 5, 3), last=date(2010, 5, 7))


@pytest.mark.some_day
def test_a_delivery_is_a_file_for_each_session(
    con: Connection, small: Plan, tmp_path: Path
) -> None:
    store = RawStore(tmp_path)
    outcome = synthetic.deliver(con, small, store)
    name = f"{small.delivery}.parquet"
    files = sorted((tmp_path / "minute").glob("session=*/*"))
    assert [file.relative_to(tmp_path / "minute") for file in files] == [
        Path(f"session=2010-05-0{day}") / name for day in range(3, 8)
    ]
    for table, file in (("minute", files[0]), ("deliveries", tmp_path / "deliveries" / name)):
        found = con.execute(
            f"describe from read_parquet('{file}', hive_partitioning = false)"
        ).fetchall()
        assert {column: kind.lower() for column, kind, *_ in found} == TABLES[table]
    unsorted = con.execute(f"""
        select count(*) from (
            select (symbol, bar_ts) as bar, lag(bar) over (order by file_row_number) as last_bar
            from read_parquet('{files[0]}', file_row_number = true)
        ) where bar <= last_bar
    """).fetchall()
    assert unsorted == [(0,)]
    [manifest] = store.catalog(con)
    assert manifest.source == "synthetic"
    symbols = frozenset({"AAPL", "IBM"})
    assert symbols_of(con, [manifest]) == {manifest.delivery: symbols}
    counts = con.execute(
        "select rows_read, rows_kept, rows_unreadable, rows_duplicate, rows_revised, symbol_count,"
        " timezone, bar_label, kind"
        f" from '{tmp_path}/deliveries/{name}'"
    ).fetchall()
    assert counts == [(3900, 3900, 0, 0, 0, 2, "America/New_York", "start", "minute")]
    assert outcome.is_new
    assert (
        outcome.byte_count
        == sum(file.stat().st_size for file in files)
        + (tmp_path / "deliveries" / name).stat().st_size
    )


@pytest.mark.some_day
def test_one_file_holds_the_same_rows(con: Connection, small: Plan, tmp_path: Path) -> None:
    stores = RawStore(tmp_path / "many"), RawStore(tmp_path / "one", flat=True)
    for store in stores:
        synthetic.deliver(con, small, store)
    many, one = (rows_of(con, store) for store in stores)
    assert len(one) == 3900
    assert many == one
    assert one == rows_of(con, stores[1], "file_row_number")


@pytest.mark.some_day
def test_the_same_again_changes_nothing(con: Connection, small: Plan, tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    synthetic.deliver(con, small, store)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    outcome = synthetic.deliver(con, small, store)
    assert not outcome.is_new
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")} == before


def test_withdrawn_minutes_are_delivered_again(
    con: Connection, small: Plan, tmp_path: Path
) -> None:
    store = RawStore(tmp_path)
    with clock.driven_by(lambda: DELIVERED_AT):
        synthetic.deliver(con, small, store)
        with store.writing(con):
            withdraw(con, store, [small.delivery], DELIVERED_AT, None)
        once_more = synthetic.deliver(con, small, store)
        assert (once_more.is_new, once_more.delivery) == (True, again(small.delivery))
        assert not synthetic.deliver(con, small, store).is_new


@pytest.mark.some_day
@pytest.mark.parametrize("moved", [0, 1, 3, 5])
def test_the_next_run_repairs_whatever_a_kill_leaves(
    con: Connection, small: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """Kill the process after this many files were renamed into place."""
    whole = RawStore(tmp_path / "whole")
    synthetic.deliver(con, small, whole)
    store = RawStore(tmp_path / "killed")
    rename = Path.replace
    done: list[Path] = []

    def dying(self: Path, target: Path) -> Path:
        if small.delivery in self.name:
            if len(done) == moved:
                raise KeyboardInterrupt
            done.append(self)
        return rename(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        # a killed process cleans nothing up
        patched.setattr(RawStore, "clear_leftovers", lambda self: None)
        patched.setattr(shutil, "rmtree", lambda folder: None)
        patched.setattr(Path, "replace", dying)
        synthetic.deliver(con, small, store)
    assert not store.holds(small.delivery)
    assert synthetic.deliver(con, small, store).is_new
    assert rows_of(con, store) == rows_of(con, whole)


@pytest.mark.some_day
def test_a_stop_between_sessions_leaves_nothing(
    con: Connection, small: Plan, tmp_path: Path
) -> None:
    def stop(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic.deliver(con, small, RawStore(tmp_path), progress=stop)
    assert not list(tmp_path.rglob(f"{small.delivery}*"))


@pytest.mark.some_day
def test_a_full_disk_is_reported(
    con: Connection, small: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RawStore, "commit", full)
    with pytest.raises(StorageFull, match="No space left"):
        synthetic.deliver(con, small, RawStore(tmp_path))
    assert not RawStore(tmp_path).holds(small.delivery)


@pytest.mark.some_day
def test_only_one_process_writes_at_a_time(con: Connection, small: Plan, tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    with store.writing(con), pytest.raises(StoreBusy):
        synthetic.deliver(con, small, store)


# ---------------------------------------------------------------------------------------------
# The command


def command(*arguments: str) -> tuple[str, str]:
    app = typer.Typer()
    app.command()(sample_minutes)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, result.stderr


@pytest.fixture
def published(sample: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "duckbourse.cli.sample_minutes.connected", lambda: synthetic.connected(sample.file)
    )


@pytest.mark.some_day
@pytest.mark.usefixtures("published")
def test_the_command_reports_what_it_made(tmp_path: Path) -> None:
    asked = ("--symbols", "IBM,NEW", "--since", "2010-05-03", "--until", "2010-05-07")
    into = ("--into", str(tmp_path))
    stdout, stderr = command(*asked, *into, "--json")
    report = json.loads(stdout)
    assert "5 of 10 days have no real daily bar" in stderr
    assert report["is_new"]
    assert report["bar_count"] == 3900
    assert (report["real_day_count"], report["made_up_day_count"]) == (5, 5)
    assert (report["first_session_date"], report["last_session_date"]) == (
        "2010-05-03",
        "2010-05-07",
    )
    assert len(list((tmp_path / "minute").glob("session=*"))) == 5
    again = json.loads(command(*asked, *into, "--json")[0])
    assert (again["is_new"], again["delivery"]) == (False, report["delivery"])
    assert "nothing changed" in command(*asked, *into)[0]
    other, _ = command(*asked, *into, "--seed", "2")
    assert "3,900 synthetic minute bars: 2 symbols, 5 sessions of XNYS" in other
    assert "bars a second" in other


@pytest.mark.usefixtures("published")
def test_the_command_makes_the_shipped_file(tmp_path: Path, shipped: Plan) -> None:
    command(
        *("--symbols", ",".join(reversed(SHIPPED)), "--since", str(FIRST), "--until", str(LAST)),
        *("--flat", "--delivered-at", "2026-11-01T00:00:00Z", "--into", str(tmp_path)),
    )
    [made] = (tmp_path / "minute").glob("*[0-9a-f].parquet")
    assert made.name == f"{shipped.delivery}.parquet"
