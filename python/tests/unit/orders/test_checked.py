"""Whatever a broker's adapter says is refused at the seam if the book could not apply it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.errors import BrokerUnclear
from duckbourse.orders.book import Book
from duckbourse.orders.broker import (
    Broker,
    Capabilities,
    Funds,
    Holding,
    OrderReport,
    TradeReport,
    Update,
)
from duckbourse.orders.checked import RULES, CheckedBroker
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Fill, OrderType, Product, Request, Side, order_id_of
from tests.support.factories import CAPITAL, NOW, fill, request
from tests.support.venue import MemoryJournal

NAIVE = datetime(2026, 11, 25, 4)
GOOD: dict[type, Any] = {
    OrderReport: OrderReport(
        broker_order_id="1",
        order_id=None,
        symbol="A",
        side=Side.BUY,
        product=Product.MIS,
        order_type=OrderType.LIMIT,
        quantity=10,
        state=State.OPEN,
        at=NOW,
    ),
    TradeReport: TradeReport(broker_order_id="1", fill=fill(10, "100")),
    Holding: Holding(symbol="A", product=Product.MIS, quantity=-10),
    Funds: Funds(cash_amount=CAPITAL),
}
# by what a field holds: what it must not
TWISTS: dict[type, tuple[Any, ...]] = {
    str: (None, 7, b"A", "\ud800"),
    int: (None, "7", 7.0, True, Decimal(7), 2**60),
    Decimal: (1.5, "1.5", Decimal("nan"), Decimal("-inf"), Decimal("snan"), Decimal("1e999")),
    datetime: (NAIVE, NOW.isoformat(), NOW.date()),
    bool: (None, 1),
    Side: (None, "buy", "BUY", Product.MIS),
    Product: (None, "MIS", Side.BUY),
    OrderType: (None, "limit"),
    State: (None, "open"),
    Fill: (None, "a fill"),
}
# what is no wrong type, and still nothing that was traded
MORE: dict[tuple[type, str], tuple[Any, ...]] = {
    (OrderReport, "broker_order_id"): ("", " "),
    (OrderReport, "symbol"): ("",),
    (OrderReport, "quantity"): (0, -10),
    (OrderReport, "filled_quantity"): (-1,),
    (OrderReport, "average_price"): (Decimal(-1),),
    (OrderReport, "limit_price"): (Decimal(-1),),
    (OrderReport, "trigger_price"): (Decimal(-1),),
    (TradeReport, "broker_order_id"): ("",),
    (Fill, "fill_key"): ("",),
    (Fill, "symbol"): ("",),
    (Fill, "quantity"): (0, -10),
    (Fill, "price"): (Decimal(0), Decimal(-1)),
    (Fill, "is_provisional"): (True,),
    (Holding, "symbol"): ("",),
}
MAY_BE_NONE = {
    (OrderReport, "order_id"),
    (OrderReport, "average_price"),
    (OrderReport, "limit_price"),
    (OrderReport, "trigger_price"),
    (OrderReport, "at"),
    (TradeReport, "charges_amount"),
}
OF_OPTIONAL = {"order_id": str, "at": datetime}


def twists() -> list[Any]:
    found = []
    for kind in RULES:
        good = GOOD.get(kind) or GOOD[TradeReport].fill
        for field in RULES[kind]:
            value = getattr(good, field)
            of = OF_OPTIONAL.get(field, Decimal) if value is None else type(value)
            for twisted in (*TWISTS[of], *MORE.get((kind, field), ())):
                if twisted is None and (kind, field) in MAY_BE_NONE:
                    continue
                whole = replace(good, **{field: twisted})
                report = whole if kind is not Fill else replace(GOOD[TradeReport], fill=whole)
                name = f"fill.{field}" if kind is Fill else field
                found.append(pytest.param(report, name, id=f"{kind.__name__}.{field}={twisted!r}"))
    return found


class Saying(Broker):
    """Says what it is asked to."""

    name = "saying"
    capabilities = Capabilities(order_types=frozenset(OrderType), products=frozenset(Product))

    def __init__(self, said: Any) -> None:
        self.said = said

    async def place(self, request: Request) -> str:
        return self.said  # type: ignore[no-any-return]

    async def cancel(self, broker_order_id: str) -> None:
        return

    async def orders(self) -> Sequence[OrderReport]:
        return self.said  # type: ignore[no-any-return]

    async def trades(self) -> Sequence[TradeReport]:
        return self.said  # type: ignore[no-any-return]

    async def positions(self) -> Sequence[Holding]:
        return self.said  # type: ignore[no-any-return]

    async def holdings(self) -> Sequence[Holding]:
        return self.said  # type: ignore[no-any-return]

    async def find(self, order_id: str) -> Sequence[OrderReport]:
        return self.said  # type: ignore[no-any-return]

    async def funds(self) -> Funds | None:
        return self.said  # type: ignore[no-any-return]

    async def updates(self) -> AsyncIterator[Update]:
        for each in self.said:
            yield each


async def first_update(broker: Broker) -> Update:
    async with aclosing(broker.updates()) as updates:  # type: ignore[type-var]
        return await anext(updates)


ASKED: dict[type, tuple[Callable[[Broker], Awaitable[Any]], ...]] = {
    OrderReport: (lambda broker: broker.orders(), lambda broker: broker.find("X"), first_update),
    TradeReport: (lambda broker: broker.trades(), first_update),
    Holding: (lambda broker: broker.positions(), lambda broker: broker.holdings()),
    Funds: (lambda broker: broker.funds(),),
}


def asked(said: Any, ask: Callable[[Broker], Awaitable[Any]]) -> tuple[Any, list[str]]:
    refused: list[str] = []

    async def whole() -> Any:
        return await ask(CheckedBroker(Saying(said), lambda _: True, refused.append))

    try:
        return asyncio.run(whole()), refused
    except BrokerUnclear as error:
        assert refused == [str(error)] and "\n" not in str(error)
        return None, refused


def in_its_place(report: Any) -> Any:
    return report if type(report) is Funds else [report]


@pytest.mark.parametrize(("report", "name"), twists())
def test_a_field_that_the_book_cannot_apply_is_named(report: Any, name: str) -> None:
    """A naive instant was journaled, and after it no command could read any account."""
    for ask in ASKED[type(report)]:
        _, [refused] = asked(in_its_place(report), ask)
        value = f"{getattr_of(report, name)!r:.80}"
        assert (
            f".{name} is {value}, " in refused if name == "fill" else f".{name} {value} " in refused
        )


def getattr_of(report: Any, name: str) -> Any:
    for part in name.split("."):
        report = getattr(report, part)
    return report


@pytest.mark.parametrize("kind", GOOD)
def test_what_it_can_apply_is_passed_on(kind: type) -> None:
    good = GOOD[kind]
    for ask in ASKED[kind]:
        found, refused = asked(in_its_place(good), ask)
        assert refused == []
        assert found in (good, [good])


@pytest.mark.parametrize("said", [None, "no list", [None], ["X"], [{"symbol": "A"}], 7])
def test_what_is_no_report_is_refused(said: Any) -> None:
    for kind in (OrderReport, TradeReport, Holding):
        for ask in ASKED[kind]:
            if ask is not first_update:
                assert asked(said, ask)[1]
    assert asked([said], first_update)[1]
    if said is not None:
        assert asked(said, lambda broker: broker.funds())[1]


@pytest.mark.parametrize("said", [None, "", " ", 7, "\ud800"])
def test_a_placed_order_has_an_id(said: Any) -> None:
    _, [refused] = asked(said, lambda broker: broker.place(request()))
    assert "place" in refused
    assert asked("1", lambda broker: broker.place(request())) == ("1", [])


def manager_of(journal: Any, broker: Broker) -> Manager:
    return Manager(Book(CAPITAL), journal, broker, check=lambda *_: None)


def test_it_halts_the_account_and_nothing_is_journaled_of_it() -> None:
    async def whole() -> None:
        journal = MemoryJournal()
        bad = replace(GOOD[OrderReport], order_id=order_id_of("a", NOW.date(), "x"), at=NAIVE)
        manager = manager_of(journal, Saying([bad]))
        with pytest.raises(BrokerUnclear):
            await manager.call_broker(manager.broker.orders())
        assert manager.book.state is TradingState.HALTED
        assert "orders.at" in manager.book.state_reason
        assert [type(event).__name__ for event in journal.events] == ["TradingStateChanged"]

    with clock.driven_by(lambda: NOW):
        asyncio.run(whole())


@pytest.mark.parametrize("kind", [OrderReport, TradeReport])
def test_a_row_of_a_stranger_hides_none_of_ours(kind: type) -> None:
    """Shares without a price, which somebody was given, kept an exit unknown for good."""
    bad: Any = replace(GOOD[OrderReport], order_id="gift", quantity=0)
    if kind is TradeReport:
        bad = replace(GOOD[TradeReport], fill=fill(10, "0"))

    async def whole() -> None:
        said = Saying([bad, GOOD[kind]])
        manager = manager_of(MemoryJournal(), said)
        for ask in ASKED[kind]:
            if ask is not first_update:
                assert await ask(manager.broker) == [GOOD[kind]]
        said.said = [replace(bad, broker_order_id="")]
        with pytest.raises(BrokerUnclear):
            await ASKED[kind][0](manager.broker)

    with clock.driven_by(lambda: NOW):
        asyncio.run(whole())


def test_every_field_has_a_rule() -> None:
    assert {kind: set(rules) for kind, rules in RULES.items()} == {
        kind: set(kind.__struct_fields__)
        for kind in (OrderReport, TradeReport, Fill, Holding, Funds)
    }


def test_the_paper_broker_passes_the_seam(tmp_path: Any) -> None:
    paper = PaperBroker(tmp_path, {"A": Decimal("0.01")}, CAPITAL, FillRules())

    async def whole() -> None:
        broker = CheckedBroker(paper, lambda _: True, pytest.fail)
        await broker.place(request(order_type=OrderType.LIMIT, limit_price=Decimal(90)))
        assert len(await broker.orders()) == 1
        assert await broker.funds() is not None

    with clock.driven_by(lambda: NOW):
        asyncio.run(whole())
    paper.close()
