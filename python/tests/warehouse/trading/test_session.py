"""A session of the sample data, traded: its invariants, its commands, and a kill in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from msgspec.structs import replace

from duckbourse import history
from duckbourse.brokers.opening import open_paper
from duckbourse.brokers.paper import FillRules
from duckbourse.errors import BadInput, ConfigurationError, PublicationError, StorageFull
from duckbourse.orders.book import Book
from duckbourse.orders.events import (
    ExitTriggered,
    PublicationLoaded,
    StrategyFailed,
    TradingState,
)
from duckbourse.orders.journal import read_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, Order, Reason, Request
from duckbourse.publish import roll_back
from duckbourse.settings import PROJECT
from duckbourse.streaming.feed import Records, microseconds
from duckbourse.streaming.live import LiveSession
from duckbourse.streaming.prices import Prices
from duckbourse.streaming.recorder import LogHeader, Recorder
from duckbourse.streaming.replay import Replay, replay_minutes, replay_recorded
from duckbourse.trading.commands import send
from duckbourse.trading.loop import REFRESH_SECONDS, Trader
from duckbourse.trading.publication import Publication, Publications, Signal, load
from duckbourse.trading.scans import LiveScans
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.strategy import Context, SignalStrategy
from duckbourse.warehouse import open_published
from tests.support.factories import CAPITAL
from tests.support.waiting import DEATHS, HANG_SECONDS
from tests.support.warehouse import Warehouse

DAY = date(2010, 5, 28)


@dataclass
class SessionFixture:
    """The inputs of a trading session, and a way to trade it."""

    publication: Publication
    bars: duckdb.DuckDBPyConnection
    folder: Path
    strategy: type[SignalStrategy] = SignalStrategy

    def feed(self) -> Replay:
        return replay_minutes(
            self.bars, DAY, "XNYS", self.publication.zone, self.publication.instruments, 0
        )

    def traded(
        self,
        *,
        stop_after: int | None = None,
        rules: FillRules | None = None,
        feed: Replay | None = None,
        scans: Callable[[Replay], LiveScans] | None = None,
        recorder: Recorder | None = None,
        newer: Callable[[], Publication | None] = lambda: None,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> Trader:
        """Trade the session or its first batches; resume where it was interrupted."""
        feed = feed or self.feed()
        config = SessionConfig(
            publication=self.publication,
            folder=self.folder,
            feed=feed,
            broker=lambda setup: open_paper(setup, rules or FillRules()),
            strategies={"signals": self.strategy()},
            scans=scans(feed) if scans else None,
            recorder=recorder,
            newer=newer,
            grace_seconds=0,
            refresh_seconds=refresh_seconds,
        )

        async def play() -> None:
            assert await opened.trader.start() == ()
            if stop_after is None:
                await opened.trader.run()
                return
            count = 0
            async for records in feed.ticks():
                await opened.trader.on_records(records)
                count += 1
                if count == stop_after:
                    return

        with TradingSession.open(config) as opened:
            asyncio.run(play())
        return opened.trader


@pytest.fixture
def session(sample: Warehouse, tmp_path: Path) -> Iterator[SessionFixture]:
    connection = open_published(sample.file)
    yield SessionFixture(
        load(connection, "paper_us", DAY, frozenset()), connection, tmp_path / "session"
    )
    connection.close()


def filled(book: Book) -> list[Order]:
    return [order for order in book.orders.values() if order.filled_quantity]


def test_a_session_keeps_its_invariants(session: SessionFixture) -> None:
    book = session.traded().book
    publication = session.publication
    entries = [order for order in filled(book) if order.request.reason is Reason.ENTRY]
    assert len(entries) >= 8
    assert book.open_positions() == []
    assert book.state is TradingState.ACTIVE
    # cash is capital less the fills, and capital plus the profit of every round trip
    fills = book.fills.values()
    paid = sum(fill.signed_quantity * fill.price + fill.charges_amount for fill in fills)
    assert book.cash_amount == publication.limits.capital_amount - paid
    assert sum(book.session_round_trips()) == book.cash_amount - publication.limits.capital_amount
    # every fill is within its minute's range, apart from slippage, and within the session
    for fill in fills:
        local = fill.filled_at.astimezone(publication.zone).replace(tzinfo=None)
        ((low, high),) = session.bars.execute(
            "select low, high from bars.ohlcv where timeframe = '1m' and symbol = ?"
            " and bar_ts <= ? and bar_end > ?",
            [fill.symbol, local, local],
        ).fetchall()
        step = float(publication.instruments[fill.symbol].tick_size)
        slip = 0.0002 * high + step
        assert low - slip <= float(fill.price) <= high + slip
    # no look-ahead: entries follow their signal, exits have their reason
    signals = {found.signal_id: found for found in publication.signals}
    for entry in entries:
        followed = signals[entry.request.signal_id or ""]
        assert entry.sent_at is not None
        assert timedelta(0) <= entry.sent_at - followed.known_at < timedelta(minutes=5)
        assert {one.request.reason for one in book.exits_of(entry.request.order_id)} <= {
            *(Reason.STOP, Reason.TARGET, Reason.TIME, Reason.SQUARE_OFF)
        }


def test_entries_and_exit_reasons_match_the_backtest(session: SessionFixture) -> None:
    """The same signals on the same bars, by the models and by the loop: almost all exits agree."""
    book = session.traded().book
    outcomes = dict(
        session.bars.execute("select signal_id, exit_reason from backtests.outcomes").fetchall()
    )
    same = total = 0
    for order in filled(book):
        if order.request.reason is Reason.ENTRY:
            (left,) = book.exits_of(order.request.order_id)
            total += 1
            same += left.request.reason == outcomes[order.request.signal_id]
    # the loop sees a bar's ticks in order, the models assume the worse end first
    assert same >= total - 1


def test_a_session_is_reproducible(session: SessionFixture) -> None:
    first = session.traded()
    again = SessionFixture(
        session.publication, session.bars, session.folder.with_name("again")
    ).traded()
    assert read_journal(session.folder) == read_journal(again.folder)
    assert first.book.cash_amount == again.book.cash_amount


@pytest.mark.parametrize("stop_after", [70, 100, 400, 1200])
def test_an_interrupted_session_resumes(session: SessionFixture, stop_after: int) -> None:
    whole = (
        SessionFixture(session.publication, session.bars, session.folder.with_name("whole"))
        .traded()
        .book
    )
    session.traded(stop_after=stop_after)
    book = session.traded().book
    assert book.open_positions() == []
    assert {order_id for order_id, order in book.orders.items() if order.filled_quantity} == {
        order_id for order_id, order in whole.orders.items() if order.filled_quantity
    }
    assert book.cash_amount == whole.cash_amount


DYING = """
import sys
from duckbourse.cli.main import main
from duckbourse.orders.journal import Journal
from tests.support.waiting import die_after
commits, cpu_seconds = int(sys.argv[1]), float(sys.argv[2])
sys.argv[1:] = sys.argv[3:]
commit = Journal._commit
def dying(journal, connection, bodies):
    global commits
    commit(journal, connection, bodies)
    commits -= 1
    if commits == 0:
        die_after(cpu_seconds)
Journal._commit = dying
main()
"""


def test_a_killed_process_resumes(sample: Warehouse, tmp_path: Path) -> None:
    """`./bourse trade`, killed repeatedly at any instant, ends like an uninterrupted one."""
    published = sample.data / "duckbourse.duckdb"
    if not published.exists():
        pytest.fail("the sample is not published: run `./bourse test` from the build onward")
    data = tmp_path / "data"
    data.mkdir()
    (data / "duckbourse.duckdb").symlink_to(published)
    environment = {
        **os.environ,
        "BOURSE_DATA_DIR": str(data),
        "PYTHONPATH": str(PROJECT / "python"),
    }
    command = [sys.executable, "-m", "duckbourse.cli", "trade", "--json"]
    for commits, cpu_seconds in ((2, 0), (3, 0.004), (4, 0.01)):
        words = [sys.executable, "-c", DYING, str(commits), str(cpu_seconds)]
        killed = subprocess.run(
            [*words, *command[3:]], env=environment, capture_output=True, timeout=HANG_SECONDS
        )
        assert killed.returncode in DEATHS, f"not killed after {commits} commits"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    whole = subprocess.run(
        [*command, "--fresh"], env=environment, capture_output=True, text=True, check=True
    )
    wanted = json.loads(whole.stdout)
    # an order in flight at the kill may not have been placed, and is not sent again
    assert len(found["round_trips"]) >= len(wanted["round_trips"]) - 3
    assert found["positions"] == []
    by_key = {
        (round_trip["strategy"], round_trip["symbol"]): round_trip
        for round_trip in wanted["round_trips"]
    }
    same = [
        round_trip
        for round_trip in found["round_trips"]
        if by_key.get((round_trip["strategy"], round_trip["symbol"]), {}).get("quantity")
        == round_trip["quantity"]
    ]
    assert len(same) >= len(wanted["round_trips"]) - 3


@pytest.mark.some_day
def test_a_halt_stops_entries_and_keeps_exits(session: SessionFixture) -> None:
    session.traded(stop_after=70)  # after 09:45, before 09:50
    send(session.folder, "halt", "news")
    trader = session.traded()
    book = trader.book
    assert (book.state, book.state_reason) == (TradingState.HALTED, "news")
    assert book.open_positions() == []
    late = [
        order
        for order in filled(book)
        if order.request.reason is Reason.ENTRY
        and order.sent_at
        and order.sent_at.astimezone(session.publication.zone).strftime("%H:%M") > "09:47"
    ]
    assert late == []
    assert any(order.request.reason is Reason.STOP for order in filled(book))


@pytest.mark.some_day
def test_an_invalid_command_is_set_aside(session: SessionFixture) -> None:
    send(session.folder, "halt", "news")
    commands = session.folder / "commands"
    (commands / "00000000-broken.json").write_text('{"name": "hal')
    book = session.traded(stop_after=3).book
    assert book.state is TradingState.HALTED
    left = {path.name for path in commands.iterdir() if path.suffix != ".answer"}
    assert left == {"00000000-broken.refused"}


@pytest.mark.some_day
def test_a_halt_stands_until_it_is_lifted(session: SessionFixture) -> None:
    session.folder.mkdir(parents=True)
    send(session.folder, "halt", "news")
    session.traded(stop_after=10)
    assert session.traded(stop_after=10).book.state is TradingState.HALTED
    send(session.folder, "resume", "all clear")
    book = session.traded().book
    assert (book.state, book.state_reason) == (TradingState.ACTIVE, "all clear")
    assert len(filled(book)) > 10


@pytest.mark.some_day
def test_a_square_off_closes_everything(session: SessionFixture) -> None:
    session.traded(stop_after=100)
    send(session.folder, "square-off", "enough")
    book = session.traded(stop_after=20).book
    assert book.open_positions() == []
    assert book.state is TradingState.REDUCING
    assert {order.request.reason for order in filled(book)} >= {Reason.ENTRY, Reason.BY_HAND}


def test_the_daily_loss_limit_halts(session: SessionFixture) -> None:
    limits = replace(session.publication.limits, max_daily_loss_pct=Decimal("0.1"))
    session.publication = replace(session.publication, limits=limits)
    book = session.traded().book
    assert book.state is TradingState.HALTED
    assert "loss=" in book.state_reason
    assert book.open_positions() == []
    assert Reason.DAILY_LOSS in {order.request.reason for order in filled(book)}


def test_everything_is_closed_at_the_square_off_time(session: SessionFixture) -> None:
    limits = replace(session.publication.limits, square_off_time=time_of_day(10, 30))
    session.publication = replace(session.publication, limits=limits)
    book = session.traded().book
    assert book.open_positions() == []
    closed = [
        order.sent_at
        for order in filled(book)
        if order.request.reason is Reason.SQUARE_OFF and order.sent_at
    ]
    assert len(closed) > 3
    assert {at.astimezone(session.publication.zone).strftime("%H:%M") for at in closed} == {"10:30"}


def test_a_trailing_stop_follows_the_best_price(session: SessionFixture) -> None:
    class Trailing(SignalStrategy):
        def generate_orders(self, *args: Any) -> list[Request]:
            return [
                replace(request, exits=Exits(trail_distance=Decimal("0.5")))
                for request in super().generate_orders(*args)
            ]

    session.strategy = Trailing
    book = session.traded().book
    called = [
        event
        for event in read_journal(session.folder)
        if isinstance(event, ExitTriggered) and event.reason is Reason.TRAILING_STOP
    ]
    assert len(called) > 5
    for event in called:
        entry = book.orders[event.entry_id]
        best, sign = book.best_price[event.entry_id], entry.request.side.sign
        assert (best - (entry.average_price or best)) * sign >= 0
        assert (best - event.price) * sign >= Decimal("0.5")
    assert {event.entry_id for event in called} == {
        order.request.entry_id
        for order in filled(book)
        if order.request.reason is Reason.TRAILING_STOP
    }


def test_a_signal_is_followed_at_the_first_price_after_it(session: SessionFixture) -> None:
    publication, book = session.publication, Book(CAPITAL)

    def seen(prices: Prices, now: datetime) -> Context:
        return Context("signals", publication, book, prices, now)

    first = publication.signals[0]
    early = {first.symbol: (first.entry_price, first.known_at - timedelta(milliseconds=1))}
    strategy = SignalStrategy()
    assert strategy.generate_orders(seen(early, first.known_at)) == []
    at_last = {first.symbol: (first.entry_price, first.known_at)}
    (request,) = strategy.generate_orders(seen(at_last, first.known_at))
    assert (request.signal_id, request.symbol) == (first.signal_id, first.symbol)
    assert strategy.generate_orders(seen(at_last, first.known_at)) == []
    # if the signal is known after that price, wait until an old price is replaced
    found_at = first.known_at + timedelta(milliseconds=publication.limits.max_tick_age_ms)
    assert SignalStrategy().generate_orders(seen(at_last, found_at)) != []
    just_late = found_at + timedelta(milliseconds=1)
    waiting = SignalStrategy()
    assert waiting.generate_orders(seen(at_last, just_late)) == []
    (request,) = waiting.generate_orders(
        seen({first.symbol: (first.entry_price, just_late)}, just_late)
    )
    assert request.signal_id == first.signal_id
    late = first.known_at + timedelta(minutes=5, milliseconds=1)
    prices = {first.symbol: (first.entry_price, late)}
    followed = SignalStrategy().generate_orders(seen(prices, late))
    assert first.signal_id not in {request.signal_id for request in followed}


def test_the_prior_close_is_that_of_the_prior_session(session: SessionFixture) -> None:
    closes = dict(
        session.bars.execute(
            "select symbol, close from bars.ohlcv where timeframe = '1d'"
            " and session_date = date '2010-05-27'"
        ).fetchall()
    )
    known = session.publication.instruments
    assert len(known) > 20
    for symbol, instrument in known.items():
        assert float(instrument.prior_close or 0) == pytest.approx(closes[symbol], abs=1e-6)


def test_a_broker_that_rejects_half_leaves_nothing_open(session: SessionFixture) -> None:
    book = session.traded(rules=FillRules(reject_ratio=0.5, seed=3)).book
    assert any(order.state is State.REJECTED for order in book.orders.values())
    assert book.open_positions() == []


def test_missing_inputs_are_errors(session: SessionFixture) -> None:
    with pytest.raises(ConfigurationError, match="there is no account 'mine'"):
        load(session.bars, "mine", DAY, frozenset())
    with pytest.raises(ConfigurationError, match="2010-05-29 is not a session of XNYS") as none:
        load(session.bars, "paper_us", date(2010, 5, 29), frozenset())
    # what it offers can be replayed: the next session, of June 1, has no minutes
    assert none.value.remedy == "try --date 2010-05-28, with minute bars"
    with pytest.raises(ConfigurationError, match="no minute bars of XNSE"):
        load(session.bars, "paper_india", None, frozenset())
    assert {
        found.scanner for found in load(session.bars, "paper_us", DAY, frozenset({"crp"})).signals
    } == {"crp"}


def scans_of(
    session: SessionFixture, sample: Warehouse, feed: Replay, *, waits: bool = True
) -> LiveScans:
    live = LiveSession("XNYS", DAY, sample.file)
    return LiveScans(live, feed.symbols, session.publication, frozenset(), waits=waits)


def test_live_signals_equal_the_built_ones(session: SessionFixture, sample: Warehouse) -> None:
    """Every signal of a live scanner, to the last digit, before the session has ended."""
    built = tuple(
        signal
        for signal in session.publication.signals
        if signal.scanner not in ("pattern", "sideways")
    )
    assert len(built) >= 10
    feed = session.feed()
    scans = scans_of(session, sample, feed)
    found: list[Signal] = []

    async def play() -> None:
        async for records in feed.ticks():
            for one in await scans.on_ticks(records, feed.at):
                # two seconds for late ticks, then the next tick of the replay
                assert timedelta(seconds=2) < feed.at - one.known_at < timedelta(seconds=21)
                found.append(one)

    asyncio.run(play())
    scans.close()
    assert tuple(found) == built


def test_a_session_is_traded_on_live_signals(session: SessionFixture, sample: Warehouse) -> None:
    session.publication = replace(session.publication, signals=())
    trader = session.traded(scans=partial(scans_of, session, sample))
    entries = [order for order in filled(trader.book) if order.request.reason is Reason.ENTRY]
    assert len(entries) >= 8
    assert trader.book.open_positions() == []
    assert {order.request.signal_id for order in entries} <= {
        signal.signal_id for signal in trader.publication.signals
    }


def test_a_scan_does_not_block_the_loop(session: SessionFixture, sample: Warehouse) -> None:
    """During a slow scan, ticks continue; its signals arrive when it is done."""
    feed = session.feed()
    scans = scans_of(session, sample, feed, waits=False)
    scan = scans.session.signals
    may_end = threading.Event()

    def slower(cutoff: time_of_day) -> list[dict[str, Any]]:
        assert may_end.wait(HANG_SECONDS), "the loop waited for the scan"
        return scan(cutoff)

    scans.session.signals = slower  # type: ignore[method-assign]

    async def play() -> int:
        batches = 0
        async for records in feed.ticks():
            if await scans.on_ticks(records, feed.at):
                return batches
            if scans._running is None:
                continue
            batches += 1
            if batches >= 100:
                may_end.set()
                await asyncio.wait({asyncio.wrap_future(scans._running)})
        return 0

    assert asyncio.run(play()) >= 100
    scans.close()


def test_a_failing_scan_keeps_the_exits(session: SessionFixture, sample: Warehouse) -> None:
    def failing(feed: Replay) -> LiveScans:
        scans = scans_of(session, sample, feed)
        scans.session._models["scanners.prior_sessions"] = "select broken"
        return scans

    # the first cutoff is at 09:45; earlier signals from the build are still followed
    signals = tuple(
        replace(signal, known_at=signal.known_at - timedelta(minutes=10))
        for signal in session.publication.signals
    )
    session.publication = replace(session.publication, signals=signals)
    trader = session.traded(scans=failing)
    book = trader.book
    assert book.state is TradingState.REDUCING
    assert "a scan failed" in book.state_reason
    assert book.open_positions() == []
    assert len(filled(book)) >= 2


def test_a_failing_strategy_keeps_the_exits(session: SessionFixture) -> None:
    class Failing(SignalStrategy):
        asked = 0

        def generate_orders(self, *args: Any) -> Any:
            Failing.asked += 1
            if Failing.asked > 90:
                raise ZeroDivisionError("in user code")
            return super().generate_orders(*args)

    session.strategy = Failing
    book = session.traded().book
    assert Failing.asked == 91
    assert book.state is TradingState.REDUCING
    [failed] = [e for e in read_journal(session.folder) if isinstance(e, StrategyFailed)]
    assert failed.detail == "ZeroDivisionError('in user code')"
    assert len(filled(book)) >= 2
    assert book.open_positions() == []


@pytest.mark.some_day
def test_ticks_are_recorded_before_they_are_traded_on(
    session: SessionFixture, tmp_path: Path
) -> None:
    feed = session.feed()
    header = LogHeader(
        session_date=DAY, calendar="XNYS", source="s", recording="mine", symbols=feed.symbols
    )
    recorder = Recorder(tmp_path / "ticks", header)
    trader = session.traded(recorder=recorder)
    recorder.close()
    again = replay_recorded(tmp_path / "ticks", DAY, "XNYS", feed.symbols, 0)
    assert sum(map(len, again.batches())) == trader.tick_count == 24_960
    with pytest.raises(BadInput, match="no ticks of XNYS on 2010-05-27 were recorded"):
        replay_recorded(tmp_path / "ticks", date(2010, 5, 27), "XNYS", feed.symbols, 0)


def test_unrecorded_ticks_are_not_traded_on(session: SessionFixture, tmp_path: Path) -> None:
    full_at = microseconds(session.publication.at(time_of_day(9, 48)))

    class Full(Recorder):
        def write(self, records: Records) -> None:
            if records["received_at"][0] > full_at:
                raise StorageFull("no space is left for ticks")

    feed = session.feed()
    header = LogHeader(
        session_date=DAY, calendar="XNYS", source="s", recording="mine", symbols=feed.symbols
    )
    trader = session.traded(recorder=Full(tmp_path, header))
    lost = sum(len(batch) for batch in feed.batches() if batch["received_at"][0] > full_at)
    assert 20_000 < lost < trader.tick_count
    # reported at once and only once, with the count available at any time
    [log] = tmp_path.rglob("trade.log")
    assert log.read_text().count('"ticks are not recorded"') == 1
    assert f"{lost:,} ticks were not recorded" in trader.health_problems()
    gauges: dict[str, float] = {}
    trader._set_gauges(gauges.__setitem__)
    assert gauges["unrecorded_ticks"] == lost
    book = trader.book
    assert (book.state, book.state_reason) == (TradingState.HALTED, "no space is left for ticks")
    assert book.open_positions() == []
    entered = [
        order.sent_at.astimezone(session.publication.zone).time()
        for order in filled(book)
        if order.request.reason is Reason.ENTRY and order.sent_at
    ]
    assert entered
    assert max(entered) < time_of_day(9, 49)


def test_stray_ticks_are_not_traded_on(session: SessionFixture) -> None:
    """Stamped 1970 or the evening before, without a price, or at an impossible price."""

    class Odd(Replay):
        def batches(self) -> Iterator[Records]:
            for place, records in enumerate(super().batches()):
                if place % 10:
                    yield records
                    continue
                odd = records.copy()
                match place // 10 % 5:
                    case 0:
                        odd["traded_at"] = 0
                    case 1:
                        odd["traded_at"] -= 86_400_000_000
                    case 2:
                        odd["price"] = 0
                    case 3:
                        odd["price"] *= 60
                    case 4:
                        odd["price"] //= 60
                yield np.concatenate([records, odd])

    whole = session.traded().book
    feed = session.feed()
    session.folder = session.folder.with_name("odd")
    odd = Odd(feed._records, feed.symbols, "odd", 0, is_synthetic=True)
    trader = session.traded(feed=odd)
    assert trader.stray_tick_count > 1_000
    assert trader.book.cash_amount == whole.cash_amount


def test_the_loop_switches_to_the_next_publication(session: SessionFixture) -> None:
    """Between ticks; live signals stay, and a publication that cannot be read is logged."""
    first = session.publication
    cut = replace(first, signals=first.signals[:1])
    newer = replace(first, build_id="newer", signals=first.signals[1:3])
    results = iter([None, PublicationError("half a file"), newer])

    def next_one() -> Publication | None:
        found = next(results, None)
        if isinstance(found, Exception):
            raise found
        return found

    session.publication = cut
    # fast, but with pauses for the loading thread
    feed = session.feed()
    paced = Replay(feed._records, feed.symbols, feed.name, 15_000, is_synthetic=True)
    trader = session.traded(feed=paced, newer=next_one, refresh_seconds=0)
    loaded = [
        event.build_id
        for event in read_journal(session.folder)
        if isinstance(event, PublicationLoaded)
    ]
    assert loaded == [first.build_id, "newer"]
    assert trader.publication.signals == first.signals[1:3]


def test_a_replaced_file_is_a_newer_publication(sample: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "duckbourse.duckdb"
    publications = Publications("paper_us", DAY, frozenset(), path)
    with pytest.raises(PublicationError, match="nothing has been published"):
        publications.newer()
    os.link(sample.data / "duckbourse.duckdb", path)
    first = publications.newer()
    assert first is not None
    assert first.session_date == DAY
    assert publications.newer() is None
    path.unlink()
    shutil.copyfile(sample.data / "duckbourse.duckdb", path)
    assert publications.newer() == first
    assert publications.newer() is None


def test_a_publication_that_was_rolled_back_is_the_one_before(
    sample: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "duckbourse.duckdb"
    os.link(sample.data / "duckbourse.duckdb", path)
    publications = Publications("paper_us", DAY, frozenset(), path)
    first = publications.newer()
    assert first is not None
    history.keep(path)
    path.unlink()
    shutil.copyfile(sample.data / "duckbourse.duckdb", path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update serving.publication"
            " set build_id = 'b-bad', published_at = published_at + interval 1 day"
        )
    bad = publications.newer()
    assert bad is not None
    assert bad.build_id == "b-bad"
    roll_back(path, history.find(history.publications(path), "previous"))
    assert publications.newer() == first
    assert publications.newer() is None
