"""
A trader is killed again and again at random instants while its exchange lives on.

Each round starts the trader on the same journal. It recovers, places orders (some of them once more
from the round before), cancels some, receives fills, and is killed. Every order that it reported
as placed is in the journal, the exchange has no order twice, and at the end fills and positions
match those of the exchange.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from duckbourse import clock
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.journal import open_journal, read_journal
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Request, Side
from duckbourse.orders.reconciliation import Reconciliation
from duckbourse.settings import PROJECT
from tests.support.factories import CAPITAL, request
from tests.support.fake_exchange import FakeExchange, RemoteBroker, serve
from tests.support.waiting import DEATHS, HANG_SECONDS, die_after
from tests.unit.orders.test_manager import no_check

ORDERS_A_ROUND = 150


def order_of(number: int) -> Request:
    """Return an order to buy or to sell, of a symbol of its own round."""
    return request(
        f"order {number}",
        symbol=f"A{number // ORDERS_A_ROUND}",
        side=Side.SELL if number % 3 == 0 else Side.BUY,
    )


async def trade(folder: Path, socket: Path, number: int, count: int, cpu_seconds: float) -> None:
    """
    Run the trader of one round; print placed orders and the end of recovery.

    Die after `count` orders are placed and `cpu_seconds` more work is done.
    """
    placed_count = 0
    journal, recorded = open_journal(folder)
    manager = Manager(
        rebuild_book(CAPITAL, recorded, lambda _: None),
        journal,
        RemoteBroker(socket),
        check=no_check,
        grace_seconds=0,
        # however busy the machine is: the exchange lives, and answers
        answer_seconds=HANG_SECONDS,
        lookup_seconds=(0.001,),
    )
    differences = await Reconciliation(manager).recover()
    print("recovered", *differences, flush=True)
    following = manager.follow()

    async def one(name: int) -> None:
        nonlocal placed_count
        order = await manager.place(order_of(name))
        print("placed", order.request.order_id, flush=True)
        placed_count += 1
        if placed_count == count:
            die_after(cpu_seconds)
        if name % 7 == 0:
            await manager.cancel(order.request.order_id)

    first = max(0, number * ORDERS_A_ROUND - 20)
    for start in range(first, (number + 1) * ORDERS_A_ROUND, 10):
        await asyncio.gather(*(one(name) for name in range(start, start + 10)))
    await following


def rounds(folder: Path, count: int) -> None:
    exchange = FakeExchange(seed=count)
    server = serve(exchange, folder / "exchange.socket")
    draw = random.Random(count)
    placed: set[str] = set()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "python")}
    words = [str(folder / "journal"), str(folder / "exchange.socket")]
    for number in range(count):
        # on the simulated day of this test
        now, cpu_seconds = clock.now().isoformat(), draw.uniform(0, 0.05)
        moment = (now, str(number), str(draw.randint(1, 100)), str(cpu_seconds))
        child = subprocess.run(
            [sys.executable, "-m", "tests.acceptance.orders.test_kill", *words, *moment],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert child.returncode in DEATHS
        first, *lines = child.stdout.split("\n")
        assert first == "recovered", first
        placed |= {line.split()[1] for line in lines[:-1] if line.startswith("placed")}
    # at the end, everything reconciles with the exchange
    journal, recorded = open_journal(folder / "journal")
    book = rebuild_book(CAPITAL, recorded, lambda _: None)
    broker = RemoteBroker(folder / "exchange.socket")
    manager = Manager(
        book,
        journal,
        broker,
        check=no_check,
        grace_seconds=0,
        answer_seconds=HANG_SECONDS,
        lookup_seconds=(0.001,),
    )

    async def recovered() -> tuple[str, ...]:
        try:
            # the exchange trades on while an order is looked up, and no updates are followed here
            await Reconciliation(manager).recover()
            return await Reconciliation(manager).recover()
        finally:
            await broker.disconnect()

    assert asyncio.run(recovered()) == ()
    journal.close()
    server.shutdown()
    server.server_close()
    assert len(placed) > 5 * count
    assert placed <= set(book.orders)
    assert max(exchange.tags.values()) == 1
    assert {fill.fill_key for fill in book.fills.values()} == {
        trade.fill.fill_key for trade in exchange.trades
    }
    held = {(held.symbol, held.product, held.quantity) for held in book.open_positions()}
    assert held == {
        (held.symbol, held.product, held.quantity) for held in exchange.holdings() if held.quantity
    }
    assert len(read_journal(folder / "journal")) == book.event_count
    print(f"{count} kills, {len(book.orders):,} orders, {book.event_count:,} events")


def test_a_late_answer_is_not_that_of_the_next_question(tmp_path: Path) -> None:
    """A look-up on a busy machine read the answer before its own, for a minute."""
    exchange = FakeExchange(seed=1)
    server = serve(exchange, tmp_path / "exchange.socket")
    broker = RemoteBroker(tmp_path / "exchange.socket")

    async def ask() -> list[str | None]:
        with exchange.guard, pytest.raises(TimeoutError):
            await asyncio.wait_for(broker.place(request("late")), 0.05)
        tags = [report.order_id for report in await broker.orders()]
        await broker.disconnect()
        return tags

    assert asyncio.run(ask()) in ([], [request("late").order_id])
    server.shutdown()
    server.server_close()


@pytest.mark.some_day
def test_a_kill_at_any_instant_loses_nothing(tmp_path: Path) -> None:
    rounds(tmp_path, 6)


@pytest.mark.long
@pytest.mark.some_day
def test_200_kills_lose_nothing(tmp_path: Path) -> None:
    rounds(tmp_path, 200)


if __name__ == "__main__":
    journal, socket, now, number, count, cpu_seconds = sys.argv[1:]
    with clock.driven_by(clock.running_from(datetime.fromisoformat(now))):
        asyncio.run(trade(Path(journal), Path(socket), int(number), int(count), float(cpu_seconds)))
