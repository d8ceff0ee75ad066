"""
The trading loop under load: from the bytes of a socket to profit, stops and the disk.

    .venv/bin/python python/benchmarks/bench_loop.py [--seconds 60] [--ticks 10000000]

The input is Kite's full packets of 500 instruments; ten of them are open positions with stops. The
loop runs as in trading: it decodes every tick and records it to the log and to Parquet, and in each
pass it updates prices and profit, checks stops and daily limits, and polls commands.

    by itself    64 KiB of frames per pass without a socket: ticks per CPU second at 1, 10 and 100
                 ticks per frame, and memory after a fifth of the ticks and at the end; at ten also
                 with 1 MiB per pass, which is the backlog when the loop is behind
    paced        100,000 ticks a second over loopback from another process, ten per frame: the
                 latency from sending until the tick is on disk and in the profit, and the ticks
                 lost
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from pydantic import SecretStr

from benchmarks.bench_orders import wide
from benchmarks.bench_stream import TICKS_A_FRAME, TOKENS, make_frames, protocol_and_passes
from benchmarks.measured import show_figures
from duckbourse import clock
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.brokers.zerodha.stream import FULL, KiteProtocol
from duckbourse.orders.book import Book
from duckbourse.orders.journal import open_journal
from duckbourse.orders.manager import Manager
from duckbourse.risk.limits import Covariances, Instrument
from duckbourse.settings import PROJECT
from duckbourse.streaming.feed import Feed, Records, TickRelay, microseconds
from duckbourse.streaming.recorder import LogHeader, Recorder
from duckbourse.streaming.replay import recorded_ticks
from duckbourse.streaming.websocket import WebSocketFeed
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Publication, Signal, load
from duckbourse.trading.strategy import SignalStrategy
from duckbourse.warehouse import open_published

DAY = date(2010, 5, 28)
HELD = 10
RATE = 100_000
TICKS_A_PACED_FRAME = 10
STEP_SECONDS = 0.001
WRAPS = 2**32


class Timed(Trader):
    """A trader that records the age of each tick once it is fully handled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ages: list[Any] = []

    async def on_records(self, records: Records) -> None:
        sent = records["quantity"]
        await super().on_records(records)
        # if a symbol occurs twice in a frame, the second tick has no quantity
        self.ages.append((time.time_ns() // 1000 - sent[sent > 0]) % WRAPS)


def published(file: Path) -> Publication:
    """Return the sample session with 500 instruments, ten signals and limits that never deny."""
    connection = open_published(file)
    publication = load(connection, "paper_us", DAY, frozenset())
    connection.close()
    known = {
        symbol: Instrument(symbol=symbol, sector=None, tick_size=Decimal("0.01"), lot_size=1)
        for symbol in TOKENS
    }
    signals = tuple(
        Signal(
            signal_id=f"{number:032}",
            scanner="bench",
            preset="bench",
            symbol=symbol,
            direction="long",
            known_at=publication.opens_at,
            entry_price=Decimal(100),
            stop_price=Decimal("0.01"),
            target_price=None,
            exit_at=publication.closes_at,
            position_pct=Decimal("0.1"),
            signal_rank=number,
        )
        for number, symbol in enumerate(list(TOKENS)[:HELD])
    )
    return replace(
        publication,
        limits=replace(
            wide(publication.limits),
            # prices are random, so any price is valid
            protection_pct=Decimal(10_000),
            capital_amount=Decimal(10**9),
        ),
        instruments=known,
        signals=signals,
        covariances=Covariances({(one, other): 1e-4 for one in TOKENS for other in TOKENS}),
    )


class Passes:
    """Repeats frames without a socket until enough ticks are sent; `now` is its time."""

    name = "passes of frames"
    is_synthetic = False

    def __init__(
        self, protocol: KiteProtocol, passes: list[list[bytes]], now: datetime, tick_count: int
    ) -> None:
        self.symbols = protocol.symbols
        self.now = now
        self._protocol = protocol
        self._passes = passes
        self._tick_count = tick_count

    def counters(self) -> dict[str, int]:
        return {}

    async def ticks(self) -> AsyncIterator[Records]:
        stamp, count = microseconds(self.now), 0
        while count < self._tick_count:
            for of_pass in self._passes:
                records = self._protocol.decode(of_pass, np.full(len(of_pass), stamp))
                records["traded_at"] = stamp
                # an order fills on the ticks after it
                self.now += timedelta(microseconds=100)
                count += len(records)
                yield records


def loop_of(publication: Publication, feed: Feed, folder: Path) -> tuple[Timed, Recorder]:
    journal, _ = open_journal(folder)
    capital = publication.limits.capital_amount
    steps = {name: known.tick_size for name, known in publication.instruments.items()}
    broker = PaperBroker(
        folder, steps, capital, FillRules(max_participation_pct=Decimal(100)), publication.charges
    )
    manager = Manager(
        Book(capital),
        journal,
        broker,
        check=lambda *asked: trader.pre_trade_check(*asked),
        charges=publication.charges,
    )
    header = LogHeader(
        session_date=DAY, calendar="XNYS", source="kite", recording="bench", symbols=feed.symbols
    )
    recorder = Recorder(folder / "ticks", header)
    strategy = SignalStrategy()
    relay = TickRelay(feed)
    relay.follow(broker)
    strategies = {"signals": strategy}
    trader = Timed(publication, manager, feed, strategies, folder, recorder=recorder, relay=relay)
    return trader, recorder


async def played(trader: Trader) -> None:
    await trader.start()
    await trader.run()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def by_itself(
    file: Path, folder: Path, frames: Path, pass_kib: int, tick_count: int
) -> dict[str, float]:
    publication = published(file)
    protocol, passes = protocol_and_passes(frames, pass_kib * 1024)
    feed = Passes(protocol, passes, publication.opens_at + timedelta(minutes=1), tick_count)
    trader, recorder = loop_of(publication, feed, folder)
    first_mb = 0.0

    def on_batch(_: Trader) -> None:
        nonlocal first_mb
        trader.ages.clear()
        if not first_mb and trader.tick_count >= tick_count / 5:
            first_mb = peak_mb()

    trader.on_batch = on_batch
    wall, cpu = time.perf_counter(), time.process_time()
    with clock.driven_by(lambda: feed.now):
        asyncio.run(played(trader))
        recorder.close()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    held = len(trader.book.open_positions())
    found = recorder.tick_count
    if held != HELD or found != trader.tick_count:
        raise SystemExit(f"{held} held, {found} recorded of {trader.tick_count}")
    return {
        "ticks": found,
        "ticks_per_cpu_s": found / cpu,
        "wall_s": wall,
        "first_mb": first_mb,
        "last_mb": peak_mb(),
    }


def serve(seconds: float) -> None:
    """Run as the sending process: print the port, send ticks at the rate, print their number."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    packet = np.dtype([("length", ">u2"), ("body", FULL)])
    frame = np.zeros(1, [("count", ">u2"), ("packets", packet, (TICKS_A_PACED_FRAME,))])
    frame["count"], frame["packets"]["length"] = TICKS_A_PACED_FRAME, FULL.itemsize
    bodies = frame["packets"]["body"][0]
    chance = np.random.default_rng(1)
    tokens = chance.choice(list(TOKENS.values()), (1_000, TICKS_A_PACED_FRAME))
    prices = chance.integers(10_000, 400_000, (1_000, TICKS_A_PACED_FRAME))
    is_over = asyncio.Event()

    async def send(transport: WSTransport) -> None:
        began, sent, total = time.perf_counter(), 0, int(RATE * seconds)
        while sent < total:
            due = min(total, int(RATE * (time.perf_counter() - began)))
            while sent < due:
                row = sent // TICKS_A_PACED_FRAME
                bodies["token"], bodies["last_price"] = tokens[row % 1_000], prices[row % 1_000]
                bodies["volume"] = row
                bodies["last_quantity"] = time.time_ns() // 1000 % WRAPS
                transport.send(WSMsgType.BINARY, frame.tobytes())
                sent += TICKS_A_PACED_FRAME
            await asyncio.sleep(STEP_SECONDS)
        print(sent, flush=True)
        await asyncio.sleep(1)
        is_over.set()

    class Client(WSListener):
        task: asyncio.Task[None] | None = None

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            self.task = self.task or asyncio.ensure_future(send(transport))

    async def play() -> None:
        server = await ws_create_server(lambda _: Client(), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await is_over.wait()

    asyncio.run(play())


def paced(file: Path, folder: Path, seconds: float) -> dict[str, float]:
    publication = published(file)
    command = [sys.executable, __file__, "--serve", str(seconds)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    port = int(other.stdout.readline())
    protocol = KiteProtocol(
        SecretStr("k"),
        SecretStr("t"),
        TOKENS,
        on_order=lambda _: None,
        root=f"ws://127.0.0.1:{port}/",
    )
    began = time.monotonic()

    # a clock on which the session begins now
    def now() -> datetime:
        return publication.opens_at + timedelta(seconds=60 + time.monotonic() - began)

    feed = WebSocketFeed(protocol, is_open=lambda: True)
    trader, recorder = loop_of(publication, feed, folder)
    total = int(RATE * seconds)

    def on_batch(_: Trader) -> None:
        if trader.tick_count >= total:
            feed.stop()

    trader.on_batch = on_batch

    cpu = time.process_time()
    with clock.driven_by(now):
        asyncio.run(played(trader))
        recorder.close()
    cpu = time.process_time() - cpu
    last_mb = peak_mb()  # before all ticks are read back, which takes more than the loop
    sent = int(other.stdout.readline())
    other.kill()
    found = len(recorded_ticks(folder / "ticks", DAY, "XNYS", feed.symbols))
    ages = np.concatenate(trader.ages)
    middle, most, worst = np.percentile(ages, [50, 99, 100])
    return {
        "sent": sent,
        "on_disk": found,
        "lost": sent - found,
        "passes": len(trader.ages),
        "p50_us": float(middle),
        "p99_us": float(most),
        "max_us": float(worst),
        "cpu_share": cpu / seconds,
        "last_mb": last_mb,
    }


def in_folder(measure: Callable[[Path], dict[str, float]]) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(dir=PROJECT / "target"))
    try:
        return measure(folder)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure each case in its own process and print a table."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--ticks", type=int, default=10_000_000)
    parser.add_argument("--file", type=Path, default=PROJECT / "data" / "duckbourse.duckdb")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if options.child == "paced":
        print(json.dumps(in_folder(partial(paced, options.file, seconds=options.seconds))))
        return
    if options.child:
        ticks_a_frame, pass_kib = options.child.split(",")
        frames = PROJECT / "target" / "stream_benchmark" / ticks_a_frame
        frames.mkdir(parents=True, exist_ok=True)
        make_frames(frames / "frames.npy", int(ticks_a_frame))
        measure = partial(
            by_itself, options.file, frames=frames, pass_kib=int(pass_kib), tick_count=options.ticks
        )
        print(json.dumps(in_folder(measure)))
        return
    rows = {}
    alone = {f"{count} per frame, 64 KiB per pass": f"{count},64" for count in TICKS_A_FRAME}
    alone["10 per frame, 1 MiB per pass"] = "10,1024"
    for name, child in {**alone, "paced": "paced"}.items():
        command = [sys.executable, __file__, "--child", child, "--file", str(options.file)]
        command += ["--seconds", str(options.seconds), "--ticks", str(options.ticks)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows[name] = json.loads(done.stdout.splitlines()[-1])
    show_figures(rows, options.json)


if __name__ == "__main__":
    main()
