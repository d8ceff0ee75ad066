"""
Files that a loop reads when it starts, cut anywhere or with bytes that are not theirs.

Each is refused in one line with a remedy, or read soundly: no traceback, and no position that is
forgotten without a difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duckbourse.brokers.paper import FILE, FillRules, PaperBroker
from duckbourse.errors import BourseError
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.broker import Holding
from duckbourse.orders.journal import read_journal
from duckbourse.orders.manager import Manager
from duckbourse.orders.reconciliation import Reconciliation
from duckbourse.streaming.recorder import LogHeader, Recorder, recover
from duckbourse.trading.commands import FOLDER, Inbox, listed, send
from tests.support.market import Market, at, signal, tick
from tests.support.venue import MemoryJournal

pytestmark = pytest.mark.some_day
Damage = Callable[[bytes], bytes]
FUZZED = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Return a way to damage a file: cut it, or overwrite, insert or delete some bytes."""
    where, kind = draw(st.floats(0, 1)), draw(st.sampled_from(["cut", "over", "insert", "delete"]))
    put = draw(
        st.one_of(st.sampled_from([b"\r", b"\n", b"\0", b"\xff", b'"']), st.binary(max_size=9))
    )

    def damaged(content: bytes) -> bytes:
        start = int(where * len(content))
        if kind == "cut":
            return content[:start]
        end = start if kind == "insert" else start + len(put)
        return content[:start] + (b"" if kind == "delete" else put) + content[end:]

    return damaged


def check_one_line(error: BourseError) -> None:
    assert "\n" not in str(error) and error.remedy


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a session with a position that is open."""
    market = Market(tmp_path_factory.mktemp("traded"), signals=[signal()])
    trader = market.trade([tick(at(9, 45, second), 100) for second in (1, 2, 3)], to_end=False)
    assert trader.book.open_positions()
    return market.folder


@FUZZED
@given(damage=damages())
def test_the_book_of_the_paper_broker(
    tmp_path_factory: pytest.TempPathFactory, traded: Path, damage: Damage
) -> None:
    """One bad line was a DecodeError out of the start."""
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / FILE).write_bytes(damage((traded / FILE).read_bytes()))
    try:
        broker = PaperBroker(folder, {"A": Decimal("0.01")}, Decimal(100_000), FillRules())
    except BourseError as error:
        check_one_line(error)
        return
    book = rebuild_book(Decimal(100_000), read_journal(traded), lambda _: None)
    held = [
        Holding(symbol=each.symbol, product=each.product, quantity=each.quantity)
        for each in book.open_positions()
    ]
    manager = Manager(
        book,
        MemoryJournal(),  # type: ignore[arg-type]
        broker,
        check=lambda *_: None,
        grace_seconds=0,
        lookup_seconds=(0,),
    )
    try:
        differences = asyncio.run(Reconciliation(manager).recover())
        assert differences or list(asyncio.run(broker.positions())) == held
    finally:
        broker.close()


@FUZZED
@given(damage=damages())
def test_commands(tmp_path_factory: pytest.TempPathFactory, damage: Damage) -> None:
    folder = tmp_path_factory.mktemp("fuzzed")
    path = send(folder, "halt", "news")
    path.write_bytes(damage(path.read_bytes()))
    other = send(folder, "square-off", "enough")
    listed(folder)
    # what is after it is obeyed, and what cannot be read is kept
    taken = Inbox(folder).take()
    assert taken[-1].request_id == other.stem
    assert len(taken) == 2 or path.with_suffix(".refused").exists()
    assert not list((folder / FOLDER).glob("*.json"))


@FUZZED
@given(damage=damages())
def test_the_log_of_ticks(tmp_path_factory: pytest.TempPathFactory, damage: Damage) -> None:
    folder = tmp_path_factory.mktemp("fuzzed")
    header = LogHeader(
        session_date=date(2026, 11, 25), calendar="XNYS", source="s", recording="r", symbols=("A",)
    )
    recorder = Recorder(folder, header)
    recorder.write(Market(folder).feed([tick(at(9, 45), 100), tick(at(9, 46), 100)])._records)
    log = recorder._log
    assert log is not None
    log.close()
    path = Path(log.name)
    path.write_bytes(damage(path.read_bytes()))
    try:
        recover(path.parent)
    except BourseError as error:
        check_one_line(error)
        # nothing of it is lost
        assert path.exists()
