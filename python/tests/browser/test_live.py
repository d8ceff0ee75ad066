"""Served pages and Live in headless Chromium, beside loops of paper and of real money."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Self

import duckdb
import msgspec
import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.orders.journal import lock_folder
from duckbourse.orders.order import Request
from duckbourse.settings import settings
from duckbourse.trading import last_prices
from duckbourse.trading.commands import Command
from duckbourse.trading.session_folder import SessionFolder
from duckbourse.trading.strategy import Context, SignalStrategy
from tests.browser.test_pages import HERE, SCREENSHOTS, node
from tests.support.market import DAY, Market, at, instrument, signal, tick
from tests.support.serving import COMMAND, READ, serving
from tests.support.warehouse import Warehouse
from tests.unit.cli.test_requests import did, trading


class Second(SignalStrategy):
    """Follows the same signals in a book of its own."""

    def generate_orders(self, context: Context) -> Sequence[Request]:
        return [
            replace(
                each,
                order_id=f"{each.order_id[:-1]}2",
                signal_id=f"{each.signal_id}, second",
                strategy="second",
            )
            for each in super().generate_orders(context)
        ]


PAPER, REAL = "paper_us", "kite_one"
pytestmark = pytest.mark.some_day


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of the test."""
    monkeypatch.setenv("BOURSE_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    settings.cache_clear()


def traded(data: Path, account: str, broker: str) -> Path:
    """Trade a morning in which two strategies buy A and hold it; return the account's folder."""
    folder = data / "trading" / account
    folder.mkdir(parents=True)
    market = Market(
        folder,
        instruments={name: instrument(name) for name in "AB"},
        signals=[
            signal("A", position_pct=Decimal(8)),
            signal("B", entry_price=Decimal(10_000), stop_price=Decimal(9_000)),
        ],
        others={"second": Second},
    )
    market.trade(
        [tick(at(9, minute), 100, symbol) for minute in range(45, 49) for symbol in "AB"],
        to_end=False,
    )
    described = SessionFolder(
        account=account,
        session_date=DAY,
        calendar="XNYS",
        zone_name="America/New_York",
        capital_amount=market.limits.capital_amount,
        broker=broker,
    )
    (folder / "session.json").write_bytes(msgspec.json.encode(described))
    return folder


def old_signal(sample: Warehouse) -> str:
    """Return a signal of more than a week before the newest session of minutes."""
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        found = connection.execute(
            """
            select signal_id, symbol, session_date, known_ts
            from serving.signals_with_outcomes
            order by known_ts, signal_id
            limit 1
            """
        ).fetchone()
    assert found is not None
    signal_id, symbol, session_date, known_ts = found
    known = f"{known_ts:%-d %b %Y %H:%M}"
    return json.dumps(
        {"id": signal_id, "symbol": symbol, "session": str(session_date), "known": known}
    )


class Loops:
    """
    Two accounts that are traded: the one on paper obeys commands, and both write last prices.

    `asked` are the commands. A loop that `is_hung` holds its account and writes nothing.
    """

    def __init__(self, data: Path) -> None:
        self.folders = [traded(data, PAPER, "paper"), traded(data, REAL, "zerodha")]
        self.price = Decimal("103.50")
        self.is_hung = False
        self.asked: list[Command] = []
        self._is_over = threading.Event()
        self._writer = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._held = ExitStack()
        self.asked = self._held.enter_context(trading(self.folders[0], did))
        self._held.callback(lock_folder(self.folders[1]).close)
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._writer.join()
        self._held.close()

    def _write(self) -> None:
        while not self._is_over.wait(0.3):
            if not self.is_hung:
                for folder in self.folders:
                    last_prices.write(folder, DAY, ["A"], {"A": (self.price, at(9, 50))})
                    self._date(folder, 0)

    def _date(self, folder: Path, seconds_ago: float) -> None:
        then = clock.now().timestamp() - seconds_ago
        for file in folder.iterdir():
            if file.is_file() and file.suffix != ".draft":
                os.utime(file, (then, then))

    def trade_at(self, price: str) -> None:
        """Write this price from now on."""
        self.price = Decimal(price)

    def hang(self) -> None:
        """Write nothing any more, and have written nothing for two minutes."""
        self.is_hung = True
        self._is_over.wait(0.5)
        self._date(self.folders[0], 120)

    def go_on(self) -> None:
        """Write prices again."""
        self.is_hung = False

    def sent(self) -> str:
        """Return name, symbol and strategy of each command that arrived."""
        rows = [
            [one.name, one.order and one.order.target, one.order and one.order.strategy]
            for one in self.asked
        ]
        return json.dumps(rows, separators=(",", ":"))


def test_served_pages_and_live_show_and_obey(sample: Warehouse, data: Path) -> None:
    folder = SCREENSHOTS / "served"
    shutil.rmtree(folder, ignore_errors=True)
    with Loops(data) as loops, serving(sample.file) as served:
        answers: dict[str, Callable[[], str | None]] = {
            "old signal": lambda: old_signal(sample),
            "price 104.25": lambda: loops.trade_at("104.25"),
            "price 104.5": lambda: loops.trade_at("104.5"),
            "price 104.75": lambda: loops.trade_at("104.75"),
            "hang": loops.hang,
            "go on": loops.go_on,
            "sent": loops.sent,
        }
        with subprocess.Popen(
            [node(), "live.mjs", served.root, str(folder)],
            cwd=HERE,
            env=os.environ | {"READ": READ, "COMMAND": COMMAND},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as browser:
            assert browser.stdin is not None
            assert browser.stdout is not None
            lines = []
            for line in browser.stdout:
                lines.append(line)
                if line.startswith("> "):
                    answer = answers[line.removeprefix("> ").strip()]()
                    browser.stdin.write(f"{answer or 'done'}\n")
                    browser.stdin.flush()
        assert browser.returncode == 0, "".join(lines)
