"""A loop that stands still is reported by a thread beside it."""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from duckbourse import clock, disk
from duckbourse.orders.bus import OrderPlaced
from duckbourse.orders.order import Exits, Request, Side
from duckbourse.settings import Settings
from duckbourse.trading import session, watchdog
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.session_folder import SESSION_FILE
from duckbourse.trading.strategy import Context, Strategy
from duckbourse.trading.watchdog import Place
from tests.support.market import Market, at, tick
from tests.support.receiver import Receiver

pytestmark = pytest.mark.some_day


class Buys(Strategy):
    """Buys once, and calls `then` while it holds that."""

    def __init__(self, then: Callable[[], object], first: Callable[[], object] = list) -> None:
        self._then, self._first = then, first

    def on_start(self, context: Context) -> None:
        self._first()

    def generate_orders(self, context: Context) -> Sequence[Request]:
        if context.positions:
            self._then()
        if context.price("A") is None:
            return []
        exits = Exits(stop_price=Decimal(98))
        return [context.entry("one", "A", Side.BUY, 10, exits=exits)]


@pytest.mark.parametrize("who", ["start", "strategy", "check", "subscriber"])
def test_a_loop_that_hangs_is_reported(
    tmp_path: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    who: str,
) -> None:
    """Its exits hung with it, and only /health said so, to whoever asked."""
    address = SecretStr(receiver.address)
    settings = Settings(_env_file=None, webhook_url=address)  # type: ignore[call-arg]
    monkeypatch.setattr(session, "settings", lambda: settings)
    monkeypatch.setattr(watchdog, "STANDSTILL_SECONDS", 1.0)
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.01)
    notified = threading.Event()
    post = receiver.got.append

    class Got(list[Any]):
        def append(self, each: Any) -> None:
            post(each)
            if "stood still" in each[1]["text"]:
                notified.set()

    receiver.got, got = Got(), receiver.got

    def hang(*_: object) -> None:
        assert notified.wait(20)

    market = Market(tmp_path, signals=[])
    feed = market.feed([tick(at(9, 45, second), 100) for second in range(5)])
    config = SessionConfig(
        publication=market.publication(),
        folder=market.folder,
        feed=feed,
        broker=market.open_broker,
        strategies={
            "buys": Buys(hang if who == "strategy" else list, hang if who == "start" else list)
        },
        checks={"own": hang} if who == "check" else {},
    )
    with TradingSession.open(config) as opened, clock.driven_by(lambda: feed.at):
        if who == "subscriber":
            bus = opened.trader.manager.bus
            bus.subscribe(OrderPlaced, hang)
        opened.run()
    texts = [body["text"] for _, body in got if "stood still" in body["text"]]
    assert len(texts) == 1
    what = "A +10" if who == "strategy" else "anything, and nothing is held"
    still = r"the loop has stood still for \d+ s in \w+ \(\w+.py, line \d+\)"
    assert re.search(f"{still}; no stop is watched of {re.escape(what)}$", texts[0])
    # and whoever sits before it reads it
    said = [line for line in capsys.readouterr().err.splitlines() if "stood still" in line]
    assert len(said) == 1 and re.search(f"^{still}", said[0])


def test_a_loop_that_makes_no_steps_yet_does_not_stand_still(tmp_path: Path) -> None:
    """A start that looked up an order for half a minute was reported as a standstill."""
    market = Market(tmp_path, signals=[])
    feed = market.feed([tick(at(9, 45), 100)])
    config = SessionConfig(
        publication=market.publication(), folder=market.folder, feed=feed, broker=market.open_broker
    )
    seconds = [0.0]
    with clock.counted_by(lambda: seconds[0]), TradingSession.open(config) as opened:
        trader = opened.trader
        seconds[0] = 60.0
        for thread, is_still in ((None, False), (threading.get_ident(), True), (None, False)):
            trader.thread = thread
            assert math.isnan(trader.seconds_since_pass()) is not is_still
            assert any("stood still" in each for each in trader.health_problems()) is is_still


def test_what_commands_need_is_put_back_and_what_is_wrong_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop without its session.json was found by no command, and said nothing."""
    folder, said = tmp_path / "account", list[str]()
    folder.mkdir()
    (folder / SESSION_FILE).write_bytes(b"described")
    place = Place(folder, said.append)
    place.look()
    assert said == []
    (folder / SESSION_FILE).unlink()
    place.look()
    place.look()
    assert (folder / SESSION_FILE).read_bytes() == b"described"
    assert [line.partition(" was removed")[2] != "" for line in said] == [True]
    monkeypatch.setattr(disk, "LEAST_BYTES", 2**63)
    place.look()
    place.look()
    monkeypatch.undo()
    place.look()
    assert ["the disk is full" in line for line in said[1:]] == [True, False]
    folder.rename(tmp_path / "elsewhere")
    place.look()
    place.look()
    assert "was moved or removed" in said[3] and str(os.getpid()) in said[3]
    assert len(said) == 4 and not folder.exists()
