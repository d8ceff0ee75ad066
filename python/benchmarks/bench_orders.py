"""
The order path: from an order request through every check and the journal to the broker.

    .venv/bin/python -m venv target/nautilus && target/nautilus/bin/pip install nautilus_trader
    .venv/bin/python python/benchmarks/bench_orders.py --nautilus target/nautilus/bin/python

The broker accepts every order at once, so the time measured is ours alone. Cases: orders one by
one, each waiting for the disk; the same without waiting (SQLite's `synchronous` off, which is never
used for trading), alone, beside open orders of 20 symbols, and with the trade that fills each,
which opens or closes a position and pays its charges; a hundred at once, which share their commits;
reading the journal after a crash; and the whole loop on the sample session with its exits, checks
and paper broker.

For comparison NautilusTrader, from submit to filled in memory; it writes no order to disk.

The disk dominates the first case: the last line is its own time for an append and fdatasync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks.measured import show_figures
from duckbourse import clock
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.orders import events, journal
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.broker import Broker, Capabilities, Holding, OrderReport, TradeReport, Update
from duckbourse.orders.events import TradingState
from duckbourse.orders.journal import open_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Fill, Order, OrderType, Product, Request, Side, order_id_of
from duckbourse.risk.checks import OrderContext, pre_trade_check
from duckbourse.risk.limits import Limits
from duckbourse.settings import PROJECT
from duckbourse.streaming.feed import TickRelay
from duckbourse.streaming.replay import replay_minutes
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Publication, load
from duckbourse.trading.strategy import SignalStrategy
from duckbourse.warehouse import open_published

DAY = date(2010, 5, 28)
NOW = datetime(2010, 5, 28, 14, 0, tzinfo=UTC)


class AtOnce(Broker):
    """A broker that accepts every order and sends no updates."""

    name = "at once"
    capabilities = Capabilities(
        order_types=frozenset(OrderType), products=frozenset(Product), is_simulated=True
    )

    def __init__(self) -> None:
        self.count = 0

    async def place(self, request: Request) -> str:
        self.count += 1
        return str(self.count)

    async def cancel(self, broker_order_id: str) -> None:
        pass

    async def orders(self) -> Sequence[OrderReport]:
        return []

    async def trades(self) -> Sequence[TradeReport]:
        return []

    async def positions(self) -> Sequence[Holding]:
        return []

    async def updates(self) -> AsyncIterator[Update]:
        nothing: tuple[Update, ...] = ()
        for update in nothing:
            yield update


def wide(limits: Limits) -> Limits:
    """Return limits that are all checked and never deny."""
    names = (name for name in limits.__struct_fields__ if name.startswith("max_"))
    values = {name: getattr(limits, name) for name in names}
    most = {name: type(value)(10**9) for name, value in values.items() if value is not None}
    return replace(limits, **most)


@contextmanager
def harness(publication: Publication, *, is_durable: bool) -> Iterator[tuple[Manager, Path]]:
    """Yield a manager that runs all checks, with its own journal."""
    folder = Path(tempfile.mkdtemp(dir=PROJECT / "target"))
    connected = journal._connect
    if not is_durable:
        journal._connect = _connect_unsafely
    opened, _ = open_journal(folder)
    broker = AtOnce()
    book = Book(publication.limits.capital_amount)
    at = clock.now()
    book.apply(events.TradingStateChanged(at=at, state=TradingState.ACTIVE, reason="", by="bench"))
    prices = {
        name: (known.prior_close or Decimal(1), NOW)
        for name, known in publication.instruments.items()
    }

    def check(held: Book, request: Request, replaces: Order | None) -> None:
        pre_trade_check(
            OrderContext(
                request,
                held,
                now=NOW,
                limits=publication.limits,
                instruments=publication.instruments,
                prices=prices,
                covariances=publication.covariances,
                opens_at=publication.opens_at,
                closes_at=publication.closes_at,
                entries_end_at=publication.closes_at,
                sessions_behind=0,
                is_stream_ready=True,
                charges=publication.charges,
                replaces=replaces,
            )
        )

    try:
        yield Manager(book, opened, broker, check=check, charges=publication.charges), folder
        if broker.count != len(book.orders):
            raise SystemExit(f"{broker.count} of {len(book.orders)} orders were sent")
    finally:
        journal._connect = connected
        opened.close()
        shutil.rmtree(folder)


def _connect_unsafely(path: Path) -> Any:
    connection = _connect(path)
    connection.execute("pragma synchronous = off")
    return connection


_connect = journal._connect


def order_request(publication: Publication, number: int) -> Request:
    symbol = "AAPL"
    instrument = publication.instruments[symbol]
    price = instrument.prior_close or Decimal(1)
    return Request(
        order_id=order_id_of("bench", DAY, str(number)),
        symbol=symbol,
        side=Side.BUY,
        quantity=1,
        product=Product.MIS,
        limit_price=price,
        signal_id=str(number),
    )


def open_requests(publication: Publication, count: int) -> list[Request]:
    """Return orders that stay open, each of another symbol."""
    priced = [name for name, known in publication.instruments.items() if known.prior_close]
    return [
        replace(
            order_request(publication, -1 - number),
            symbol=symbol,
            limit_price=publication.instruments[symbol].prior_close,
        )
        for number, symbol in enumerate(priced[:count])
    ]


def trade_of(order: Order) -> TradeReport:
    """Return the trade that fills an order at its limit."""
    request = order.request
    assert order.broker_order_id is not None and request.limit_price is not None
    return TradeReport(
        broker_order_id=order.broker_order_id,
        fill=Fill(
            fill_key=order.broker_order_id,
            order_id=request.order_id,
            symbol=request.symbol,
            side=request.side,
            product=request.product,
            quantity=request.quantity,
            price=request.limit_price,
            filled_at=NOW,
        ),
    )


def one_by_one(
    publication: Publication,
    count: int,
    *,
    is_durable: bool,
    open_count: int = 0,
    is_filled: bool = False,
) -> dict[str, float]:
    took: list[float] = []
    cpu = 0.0
    with harness(publication, is_durable=is_durable) as (manager, _):

        async def play() -> None:
            nonlocal cpu
            for request in open_requests(publication, open_count):
                await manager.place(request)
            cpu = time.process_time()
            for number in range(count):
                request = order_request(publication, number)
                if is_filled and number % 2:
                    request = replace(request, side=Side.SELL)
                started = time.perf_counter_ns()
                order = await manager.place(request)
                if is_filled:
                    manager.on_update(trade_of(order))
                took.append((time.perf_counter_ns() - started) / 1000)
                if not is_filled:
                    # end it, so that every order is checked against the same book
                    manager.advance(request.order_id, State.REJECTED)
            cpu = time.process_time() - cpu

        asyncio.run(play())
    took.sort()
    return {
        "p50_us": statistics.median(took),
        "p99_us": took[int(0.99 * len(took))],
        "cpu_us": cpu * 1e6 / count,
    }


def in_bursts(publication: Publication, count: int, size: int) -> dict[str, float]:
    with harness(publication, is_durable=True) as (manager, _):
        wall, cpu = time.perf_counter(), time.process_time()

        async def play() -> None:
            for first in range(0, count, size):
                requests = [
                    order_request(publication, number) for number in range(first, first + size)
                ]
                await asyncio.gather(*map(manager.place, requests))
                for request in requests:
                    manager.advance(request.order_id, State.REJECTED)

        asyncio.run(play())
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"orders_per_s": count / wall, "cpu_us": cpu * 1e6 / count}


def read_again(publication: Publication, count: int) -> dict[str, float]:
    with harness(publication, is_durable=True) as (manager, folder):

        async def play() -> None:
            for first in range(0, count // 4, 100):
                requests = [
                    order_request(publication, number) for number in range(first, first + 100)
                ]
                await asyncio.gather(*map(manager.place, requests))
                for request in requests:
                    manager.advance(request.order_id, State.REJECTED)

        asyncio.run(play())
        manager.journal.close()
        started = time.perf_counter()
        opened, recorded = open_journal(folder)
        rebuild_book(publication.limits.capital_amount, recorded, lambda _: None)
        took = time.perf_counter() - started
        opened.close()
    return {"events": len(recorded), "seconds": took}


def whole_loop(publication: Publication, file: Path) -> dict[str, float]:
    connection = open_published(file)
    feed = replay_minutes(connection, DAY, "XNYS", publication.zone, publication.instruments, 0)
    connection.close()
    folder = Path(tempfile.mkdtemp(dir=PROJECT / "target"))
    opened, _ = open_journal(folder)
    capital = publication.limits.capital_amount
    steps = {name: known.tick_size for name, known in publication.instruments.items()}
    broker = PaperBroker(folder, steps, capital, FillRules(), publication.charges)
    manager = Manager(
        Book(capital),
        opened,
        broker,
        check=lambda *asked: trader.pre_trade_check(*asked),
        charges=publication.charges,
    )
    relay = TickRelay(feed)
    relay.follow(broker)
    trader = Trader(publication, manager, feed, {"signals": SignalStrategy()}, folder, relay=relay)

    async def play() -> None:
        await trader.start()
        await trader.run()

    wall, cpu = time.perf_counter(), time.process_time()
    with clock.driven_by(lambda: feed.at):
        asyncio.run(play())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    opened.close()
    broker.close()
    shutil.rmtree(folder)
    return {"ticks": trader.tick_count, "ticks_per_cpu_s": trader.tick_count / cpu, "seconds": wall}


def the_disk(count: int) -> dict[str, float]:
    path = PROJECT / "target" / "bench-disk"
    took = []
    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            started = time.perf_counter_ns()
            file.write(b"x" * 400)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter_ns() - started) / 1000)
    path.unlink()
    took.sort()
    return {"p50_us": statistics.median(took), "p99_us": took[int(0.99 * len(took))]}


def main() -> None:
    """Measure each case in turn and print a table."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--file", type=Path, default=PROJECT / "data" / "duckbourse.duckdb")
    parser.add_argument("--nautilus", help="a Python with nautilus_trader installed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    connection = open_published(options.file)
    publication = load(connection, "paper_us", DAY, frozenset())
    connection.close()
    publication = replace(publication, limits=wide(publication.limits))
    count = options.orders
    rows = {
        "one by one, on disk": one_by_one(publication, count, is_durable=True),
        "one by one, not waiting": one_by_one(publication, count, is_durable=False),
        "the same, beside 20 open orders": one_by_one(
            publication, count, is_durable=False, open_count=20
        ),
        "the same, with its fill": one_by_one(publication, count, is_durable=False, is_filled=True),
        "a hundred at once": in_bursts(publication, 4 * count, 100),
        "read again": read_again(publication, options.events),
        "the whole loop": whole_loop(publication, options.file),
        "the disk alone": the_disk(1_000),
    }
    if options.nautilus:
        script = str(Path(__file__).with_name("nautilus_orders.py"))
        command = [options.nautilus, script, str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows["NautilusTrader, in memory"] = json.loads(done.stdout.splitlines()[-1])
    show_figures(rows, options.json)


if __name__ == "__main__":
    main()
