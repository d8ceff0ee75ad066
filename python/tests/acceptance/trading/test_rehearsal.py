"""
A whole live session by the command, with a server that sends what Kite would send of a past one.

`./bourse trade --feed zerodha` runs in a process of its own, which is killed with positions open
and started again. Its clock is that of the server, which goes on when what it sent is handled. The
shipped minutes are of New York, so the process takes its calendar for one that Kite trades.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
from picows import WSMsgType, WSTransport

from duckbourse import clock
from duckbourse.brokers.zerodha.mapping import EXCHANGES
from duckbourse.cli import trade
from duckbourse.cli.main import main
from duckbourse.orders.events import FillBooked
from duckbourse.orders.journal import read_journal
from duckbourse.orders.order import Reason, Request, Side
from duckbourse.settings import PROJECT
from duckbourse.streaming.feed import instant, microseconds
from duckbourse.streaming.replay import recorded_ticks
from duckbourse.trading.loop import Trader
from duckbourse.trading.strategy import Context, Strategy
from tests.support import commands
from tests.support.socket_server import Server, serving
from tests.support.waiting import HANG_SECONDS
from tests.support.warehouse import Warehouse, empty_store
from tests.warehouse.trading.test_streamed import DAY, Day

# soon after the first scan: a restart scans what was due before again
KILLED_AT = time(9, 48)
HELD = ("IBM", "V")
KEYS = {"BOURSE_KITE_API_KEY": "key", "BOURSE_KITE_ACCESS_TOKEN": "hunter2"}
CLOCK_SIZE = 8
HEARTBEAT = b"\0"


class HoldsOn(Strategy):
    """Buys at 09:35 and never sells: the square-off does."""

    def generate_orders(self, context: Context) -> Sequence[Request]:
        day = context.publication
        if not day.at(time(9, 35)) <= context.now < day.at(time(9, 40)):
            return []
        wanted = [symbol for symbol in HELD if symbol not in context.busy]
        sizes = {name: context.quantity_for(name, Side.BUY, Decimal(3)) for name in wanted}
        return [context.entry(n, n, Side.BUY, size) for n, size in sizes.items() if size]


def run_command(clock_file: str, progress: str, *words: str) -> None:
    """Run `./bourse` on the server's clock, and write how many ticks are handled."""
    with Path(clock_file).open("rb") as file:
        shown = mmap.mmap(file.fileno(), CLOCK_SIZE, access=mmap.ACCESS_READ)
    reported = 0

    def report(_: object, trader: Trader) -> None:
        nonlocal reported
        scan = None if trader.scans is None else trader.scans._running
        count = trader.tick_count + trader.stray_tick_count
        # a scan takes no time here, as it takes little of a real minute
        if count > reported and (scan is None or scan.done()):
            reported = count
            os.write(int(progress), f"{count}\n".encode())

    with (
        clock.driven_by(lambda: instant(int.from_bytes(shown[:CLOCK_SIZE], sys.byteorder))),
        mock.patch.dict(EXCHANGES, {"XNYS": "NSE"}),
        mock.patch.object(trade._Screen, "show", report),
        mock.patch.object(sys, "argv", ["bourse", *words]),
    ):
        main()


class Rehearsal:
    """The server, its clock, and the process that trades."""

    def __init__(self, day: Day, folder: Path) -> None:
        self.day = day
        self.folder = folder
        self.data = folder / "data"
        self._clock = folder / "clock"
        self.show(day.starts_at - timedelta(minutes=1))
        self.server = Server(self._send, subscription_count=2)
        # ticks sent to this process, and those of before
        self.sent_count = 0
        self.sent_before = 0
        self.handled_count = 0
        self.sent_batches = 0
        self._news = asyncio.Event()
        self._process: Process | None = None

    def show(self, at: datetime) -> None:
        content = microseconds(at).to_bytes(CLOCK_SIZE, sys.byteorder)
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(content)

    async def _send(self, _: int, transport: WSTransport) -> None:
        """Send the ticks that were not sent yet; kill the process in the middle of the day."""
        day = self.day
        kill_at = day.at(KILLED_AT)
        await self._until_handled(transport)
        while self.sent_batches < len(day.batches) and not transport.is_disconnected:
            records = day.batches[self.sent_batches]
            at = instant(int(records["received_at"][0]))
            self.show(at)
            transport.send(WSMsgType.BINARY, day.frame(records))
            self.sent_batches += 1
            self.sent_count += len(records)
            if at >= kill_at and not self.sent_before:
                assert self._process is not None
                self._process.send_signal(signal.SIGKILL)
                self.sent_before, self.sent_count = self.sent_count, 0
                return
            await self._until_handled(transport)
        if not transport.is_disconnected:
            self.show(day.ends_at + timedelta(minutes=2))

    async def _until_handled(self, transport: WSTransport) -> None:
        while self.handled_count < self.sent_count and not transport.is_disconnected:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._news.wait()
            transport.send(WSMsgType.BINARY, HEARTBEAT)

    async def trade(self, *words: str) -> tuple[int, str, str]:
        """Run the command to its end; return its exit code and what it printed."""
        self.sent_count = self.handled_count = 0
        reading, writing = os.pipe()
        kept = {name: text for name, text in os.environ.items() if not name.startswith("BOURSE_")}
        # the data of the rehearsal, and the server as Kite
        environment = {
            **kept,
            **KEYS,
            "BOURSE_DATA_DIR": str(self.data),
            "BOURSE_KITE_URL": self.server.root,
            "PYTHONPATH": str(PROJECT / "python"),
            "COLUMNS": "200",
        }
        command = [sys.executable, "-m", __name__, str(self._clock), str(writing), *words]
        self._process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=PIPE, stderr=PIPE, pass_fds=(writing,)
        )
        os.close(writing)
        following = asyncio.ensure_future(self._follow(reading))
        try:
            printed, errors = await self._process.communicate()
            await following
        finally:
            following.cancel()
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
        assert self._process.returncode is not None
        return self._process.returncode, printed.decode(), errors.decode()

    async def _follow(self, reading: int) -> None:
        stream = asyncio.StreamReader()
        with os.fdopen(reading, "rb") as pipe:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stream), pipe
            )
            try:
                async for line in stream:
                    self.handled_count = int(line)
                    self._news.set()
            finally:
                transport.close()


def instrument_list(folder: Path, tokens: dict[str, int]) -> Path:
    path = folder / "NSE.csv"
    rows = [f"{token},{symbol},NSE" for symbol, token in tokens.items()]
    path.write_text("\n".join(["instrument_token,tradingsymbol,exchange", *rows]))
    return path


def written_by_the_broker(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return what the paper broker wrote of this kind, such as `trade`."""
    lines = [json.loads(line) for line in (folder / "paper.jsonl").read_text().splitlines()]
    return [line[kind] for line in lines if kind in line]


def test_a_live_session_is_rehearsed_with_a_kill(sample: Warehouse, tmp_path: Path) -> None:
    day = Day(sample, time(9, 30), time(16))
    data = empty_store(tmp_path / "data")
    (data / "duckbourse.duckdb").symlink_to(sample.data / "duckbourse.duckdb")
    rehearsal = Rehearsal(day, tmp_path)
    path = instrument_list(tmp_path, day.tokens)
    words = ["trade", "--feed", "zerodha", "--instruments", str(path), "--strategy", "signals"]
    words += ["--strategy", f"{__name__}:HoldsOn"]
    bourse = partial(commands.bourse, data)

    async def play() -> None:
        async with asyncio.timeout(HANG_SECONDS), serving(rehearsal.server):
            code, _, errors = await rehearsal.trade(*words)
            assert code == -signal.SIGKILL, errors
            open_then = {
                (row["strategy"], row["symbol"])
                for row in json.loads(bourse("positions", "--json").stdout)
                if row["quantity"]
            }
            # of the strategy, and of a scan
            assert {("holds_on", symbol) for symbol in HELD} < open_then
            code, printed, errors = await rehearsal.trade(*words)
            assert code == 0, errors
            assert "resuming this session from 09:4" in errors
            assert "paper_us on 2010-05-28:" in printed
            assert "hunter2" not in printed + errors

    asyncio.run(play())
    assert rehearsal.sent_batches == len(day.batches)
    folder = data / "trading" / "paper_us"

    # flat, for the reasons of a day
    with clock.driven_by(lambda: day.ends_at):
        rows = json.loads(bourse("positions", "--json").stdout)
        assert rows and all(row["quantity"] == 0 for row in rows)
        assert "0 differences" in bourse("reconcile").stdout
        (pnl,) = json.loads(bourse("pnl", "--json").stdout)
        orders = json.loads(bourse("orders", "--json").stdout)
        assert bourse("journal", "export").returncode == 0
    reasons = Counter(order["reason"] for order in orders if order["filled"])
    assert reasons[Reason.SQUARE_OFF] >= len(HELD)
    assert {Reason.ENTRY, Reason.STOP, Reason.TIME} <= reasons.keys()

    # nothing was sent twice, and cash and positions are the broker's
    reports = written_by_the_broker(folder, "report")
    sent_as = {report["broker_order_id"]: report["order_id"] for report in reports}
    assert len(set(sent_as.values())) == len(sent_as)
    trades = [each["fill"] for each in written_by_the_broker(folder, "trade")]
    net: Counter[str] = Counter()
    cash = Decimal(100_000)
    for fill in trades:
        signed = fill["quantity"] if fill["side"] == "buy" else -fill["quantity"]
        net[fill["symbol"]] += signed
        cash -= signed * Decimal(fill["price"])
    assert not any(net.values())
    # what it charges is compared by `reconcile`
    assert cash - Decimal(str(pnl["charges_amount"])) == Decimal(str(pnl["cash_amount"]))

    # the export is the journal
    booked = [event.fill for event in read_journal(folder) if isinstance(event, FillBooked)]
    (exported,) = (data / "raw" / "fills").glob("paper_us-*.parquet")
    found = duckdb.execute(
        "select fill_key, symbol, side, quantity, price, charges_amount"
        f" from '{exported}' order by fill_key"
    ).fetchall()
    assert found == sorted(
        (f.fill_key, f.symbol, f.side, f.quantity, f.price, f.charges_amount) for f in booked
    )
    assert {fill.fill_key for fill in booked} == {fill["fill_key"] for fill in trades}

    # every tick but those on their way at the kill is recorded
    ticks = recorded_ticks(data / "raw" / "ticks", DAY, "XNYS", day.symbols)
    sent = sum(map(len, day.batches))
    assert sent - len(day.symbols) <= len(ticks) <= sent


if __name__ == "__main__":
    run_command(*sys.argv[1:])
