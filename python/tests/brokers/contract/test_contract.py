"""
What every broker keeps to, whoever wrote it.

`cases.py` lists the brokers. What a broker does not claim in its capabilities is not asked of it,
but it has to refuse it: silence would be taken for an order.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers._template.broker import TemplateBroker
from duckbourse.brokers._template.client import Transport
from duckbourse.errors import BrokerError, BrokerRejected, BrokerUnclear
from duckbourse.orders.book import Book
from duckbourse.orders.broker import Broker, OrderReport, Update
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import OrderType, Product, Request, Side
from duckbourse.orders.reconciliation import Reconciliation
from duckbourse.plugins import load
from duckbourse.settings import PROJECT
from tests.brokers.contract.cases import CASES, LOST, Case, open_template
from tests.brokers.contract.faulty import FAULTS, Faulty
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import CAPITAL, NOW, request
from tests.support.venue import MemoryJournal


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        named = metafunc.config.getoption("--broker-case")
        metafunc.parametrize("case", [named] if named else list(CASES), indirect=True)


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    opened_by = load("tests.broker_cases", "case of a broker", request.param, CASES)
    with clock.driven_by(lambda: NOW), opened_by(tmp_path / "broker") as opened:
        yield opened


OWN_CASE = """
from tests.brokers.contract.cases import open_template as open_own
"""


@pytest.mark.parametrize(("case_of", "code"), [("own:open_own", 0), ("own:missing", 1)])
def test_a_package_of_its_own_brings_its_case(tmp_path: Path, case_of: str, code: int) -> None:
    """It had to be written into the project's own cases."""
    (tmp_path / "own.py").write_text(OWN_CASE)
    one = f"{__file__}::{test_an_order_is_found_by_its_tag_with_its_terms.__name__}"
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", one]
    done = subprocess.run(
        [sys.executable, *words, "--broker-case", case_of],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ("own:missing" in done.stdout) is bool(code)


def play(ask: Callable[[], Awaitable[None]]) -> None:
    async def whole(loop: CountedLoop) -> None:
        await ask()

    run_counted(whole, arrival_seconds=0)


def limit(price: int = 100, **changed: Any) -> Request:
    return request(order_type=OrderType.LIMIT, limit_price=Decimal(price), **changed)


async def refused(ask: Awaitable[object], broker: Broker) -> None:
    """Ask for what is refused, and see that nothing was placed."""
    before = len(await broker.orders())
    with pytest.raises(BrokerRejected):
        await ask
    assert len(await broker.orders()) == before


def test_an_order_is_found_by_its_tag_with_its_terms(case: Case) -> None:
    async def ask() -> None:
        asked = limit(90, quantity=7)
        broker_order_id = await case.broker.place(asked)
        await case.broker.place(limit(91))
        (found,) = await case.broker.find(asked.order_id)
        assert (found.broker_order_id, found.order_id) == (broker_order_id, asked.order_id)
        assert (found.symbol, found.side, found.product) == ("A", Side.BUY, Product.MIS)
        assert (found.quantity, found.filled_quantity) == (7, 0)
        assert found.limit_price == Decimal(90)
        assert found.state.is_live
        assert len({each.broker_order_id for each in await case.broker.orders()}) == 2
        assert list(await case.broker.find("no such tag")) == []

    play(ask)


def test_trades_add_up_to_orders_and_positions_and_keep_their_keys(case: Case) -> None:
    async def ask() -> None:
        bought = await case.broker.place(limit(101, quantity=10))
        case.trade("100", 4)
        case.trade("100", 6)
        sold = await case.broker.place(limit(99, quantity=2, side=Side.SELL))
        case.trade("100", 2)
        trades = await case.broker.trades()
        keys = [trade.fill.fill_key for trade in trades]
        assert len(set(keys)) == len(keys) >= 3
        assert [trade.fill.fill_key for trade in await case.broker.trades()] == keys
        filled: Counter[str] = Counter()
        for trade in trades:
            assert trade.fill.quantity > 0
            assert not trade.fill.is_provisional
            filled[trade.broker_order_id] += trade.fill.quantity
        reports = {each.broker_order_id: each for each in await case.broker.orders()}
        assert {key: each.filled_quantity for key, each in reports.items()} == dict(filled)
        assert (filled[bought], filled[sold]) == (10, 2)
        held = sum(trade.fill.signed_quantity for trade in trades)
        assert [(each.symbol, each.quantity) for each in await case.broker.positions()] == [
            ("A", held)
        ]

    play(ask)


def test_a_cancel_ends_an_order_and_what_is_not_open_is_refused(case: Case) -> None:
    async def ask() -> None:
        asked = limit(90)
        broker_order_id = await case.broker.place(asked)
        await case.broker.cancel(broker_order_id)
        await asyncio.sleep(1)
        (found,) = await case.broker.find(asked.order_id)
        assert found.state is State.CANCELLED
        case.trade("80", 100)
        assert list(await case.broker.trades()) == []
        await refused(case.broker.cancel(broker_order_id), case.broker)
        await refused(case.broker.cancel("no such order"), case.broker)

    play(ask)


def test_a_modification_is_carried_out_or_refused(case: Case) -> None:
    async def ask() -> None:
        asked = limit(90)
        broker_order_id = await case.broker.place(asked)
        wanted = limit(91, order_id=asked.order_id, quantity=12)
        if not case.broker.capabilities.can_modify:
            await refused(case.broker.modify(broker_order_id, wanted), case.broker)
            return
        await case.broker.modify(broker_order_id, wanted)
        await asyncio.sleep(1)
        (found,) = await case.broker.find(asked.order_id)
        assert (found.quantity, found.limit_price) == (12, Decimal(91))

    play(ask)


def test_what_it_does_not_take_is_refused_and_nothing_is_placed(case: Case) -> None:
    async def ask() -> None:
        await refused(case.broker.place(limit(symbol="NO SUCH SYMBOL")), case.broker)
        for order_type in set(OrderType) - case.broker.capabilities.order_types:
            asked = request(
                order_type=order_type, limit_price=Decimal(90), trigger_price=Decimal(91)
            )
            await refused(case.broker.place(asked), case.broker)

    play(ask)


def test_a_stop_waits_for_its_trigger(case: Case) -> None:
    if OrderType.SL not in case.broker.capabilities.order_types:
        assert not case.broker.capabilities.can_rest_stops
        return

    async def ask() -> None:
        asked = request(
            side=Side.SELL,
            order_type=OrderType.SL,
            trigger_price=Decimal(98),
            limit_price=Decimal(90),
        )
        await case.broker.place(asked)
        case.trade("99", 100)
        (found,) = await case.broker.find(asked.order_id)
        assert (found.state, found.trigger_price) == (State.TRIGGER_PENDING, Decimal(98))
        case.trade("97", 100)
        (found,) = await case.broker.find(asked.order_id)
        assert found.state is State.FILLED

    play(ask)


def test_updates_report_an_order_and_its_trades(case: Case) -> None:
    async def ask() -> None:
        found: list[Update] = []

        async def follow() -> None:
            async for update in case.broker.updates():
                found.append(update)

        following = asyncio.ensure_future(follow())
        await asyncio.sleep(1)
        broker_order_id = await case.broker.place(limit(101))
        case.trade("100", 100)
        await asyncio.sleep(5)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        assert {update.broker_order_id for update in found} == {broker_order_id}
        kinds = {type(update).__name__ for update in found}
        assert kinds == {"OrderReport", "TradeReport"}

    play(ask)


def test_cash_moves_by_what_was_traded_if_it_is_reported(case: Case) -> None:
    async def ask() -> None:
        before = await case.broker.funds()
        await case.broker.place(limit(101))
        case.trade("100", 100)
        after = await case.broker.funds()
        (trade,) = await case.broker.trades()
        if before is None or after is None:
            assert (before, after) == (None, None)
            return
        charged = (trade.charges_amount or 0) if after.has_charges else 0
        assert before.cash_amount - after.cash_amount == 10 * trade.fill.price + charged

    play(ask)


@pytest.mark.parametrize("how", LOST)
def test_an_answer_that_is_lost_is_no_refusal(case: Case, how: str) -> None:
    """The broker acted on the request: taken for a refusal, the order would be sent again."""
    lose = case.lose
    if lose is None:
        assert case.broker.capabilities.is_simulated, "its market says how it loses an answer"
        return

    async def ask() -> None:
        broker_order_id = await case.broker.place(limit(90))
        asked = limit(91)
        lose(how)
        calls: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: case.broker.place(asked),
            lambda: case.broker.cancel(broker_order_id),
            case.broker.orders,
            case.broker.trades,
            case.broker.positions,
        )
        for call in calls:
            with pytest.raises(BrokerUnclear):
                await call()
        lose(None)
        (found,) = await case.broker.find(asked.order_id)
        assert found.state.is_live

    play(ask)


def test_a_row_that_cannot_be_read_says_nothing(case: Case) -> None:
    """It left the adapter as a KeyError, and what was asked was taken for neither."""
    lose = case.lose
    if lose is None:
        assert case.broker.capabilities.is_simulated, "its market says how it loses an answer"
        return

    async def ask() -> None:
        await case.broker.place(limit(101))
        case.trade("100", 100)
        lose("rows")
        for call in (case.broker.orders, case.broker.trades, case.broker.positions):
            with pytest.raises(BrokerUnclear):
                await call()
        lose(None)
        assert len(await case.broker.orders()) == 1

    play(ask)


def test_an_order_with_a_status_that_nobody_knows_is_live(case: Case) -> None:
    """In the updates too: taken for ended, an order that works on would be replaced."""
    rename = case.rename
    if rename is None:
        assert case.broker.capabilities.is_simulated, "its market says what an unknown status is"
        return

    async def ask() -> None:
        rename("PENDING AT THE EXCHANGE")
        updates = case.broker.updates()
        asked = limit(90)
        await case.broker.place(asked)
        (found,) = await case.broker.find(asked.order_id)
        assert found.state.is_live
        update = await anext(updates)
        assert isinstance(update, OrderReport)
        assert update.state.is_live
        rename("DONE SOMEHOW")
        case.trade("80", 100)
        (found,) = await case.broker.find(asked.order_id)
        assert found.filled_quantity == 10, "what was filled is reported, whatever the status"

    play(ask)


class Refusing(TemplateBroker):
    """Takes a lost answer for a refusal."""

    async def place(self, request: Request) -> str:
        try:
            return await super().place(request)
        except BrokerUnclear as error:
            raise BrokerRejected(str(error)) from error


class Ending(TemplateBroker):
    """Takes a status that it does not know for the end of an order."""

    async def orders(self) -> Sequence[OrderReport]:
        known = await super().orders()
        return [replace(each, state=State.CANCELLED) for each in known]


@pytest.mark.parametrize(
    ("wrong", "proof"),
    [
        (Refusing, lambda case: test_an_answer_that_is_lost_is_no_refusal(case, LOST[0])),
        (Ending, test_an_order_with_a_status_that_nobody_knows_is_live),
    ],
    ids=["refusing", "ending"],
)
def test_a_broker_that_does_not_keep_to_the_contract_fails_it(
    wrong: Callable[[Transport], Broker], proof: Callable[[Case], None], tmp_path: Path
) -> None:
    with (
        clock.driven_by(lambda: NOW),
        open_template(tmp_path / "broker", wrong) as case,
        pytest.raises((AssertionError, BrokerRejected)),
    ):
        proof(case)


def test_its_name_and_capabilities_are_stated(case: Case) -> None:
    broker = case.broker
    assert broker.name.isidentifier()
    assert broker.capabilities == broker.capabilities
    assert {OrderType.MARKET, OrderType.LIMIT} & broker.capabilities.order_types
    assert broker.capabilities.products


@pytest.mark.parametrize("fault", FAULTS)
def test_the_order_manager_loses_nothing_and_sends_nothing_twice(case: Case, fault: str) -> None:
    """Partial fills and cancels through a connection that is slow, late, forgetful, down …"""

    async def ask() -> None:
        broker = Faulty(case.broker)
        manager = Manager(
            Book(CAPITAL),
            MemoryJournal(),  # type: ignore[arg-type]
            broker,
            check=lambda *_: None,
        )
        manager.follow()
        reconciliation = Reconciliation(manager)
        assert await reconciliation.recover() == ()
        broker.begin(fault)
        for number in range(12):
            side = Side.SELL if number % 3 == 2 else Side.BUY
            order = await manager.place(limit(100 + side.sign, quantity=10, side=side))
            case.trade("100", 3 + number % 5)
            if number % 4 == 1:
                await manager.cancel(order.request.order_id)
            await asyncio.sleep(3)
        for _ in range(12):
            await asyncio.sleep(15)
            with suppress(BrokerError):
                await reconciliation.repeat()
        await manager.wait_idle()
        book = manager.book
        reports = await case.broker.orders()
        tags = Counter(each.order_id for each in reports)
        assert set(tags.values()) <= {1}
        assert set(tags) <= set(book.orders)
        for each in reports:
            assert each.order_id is not None
            ours = book.orders[each.order_id]
            assert (ours.state, ours.filled_quantity) == (each.state, each.filled_quantity)
        assert all(order.state is not State.UNKNOWN for order in book.orders.values())
        trades = await case.broker.trades()
        assert trades
        assert set(book.fills) == {trade.fill.fill_key for trade in trades}
        assert [(held.symbol, held.quantity) for held in book.open_positions()] == [
            (held.symbol, held.quantity) for held in await case.broker.positions()
        ]

    play(ask)
