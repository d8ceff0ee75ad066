"""The brokers that the contract is tested on, each with a market that a test can move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from duckbourse import clock
from duckbourse.brokers._template import mapping
from duckbourse.brokers._template.broker import TemplateBroker
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.errors import BrokerRejected
from duckbourse.orders.broker import Broker, OrderReport, TradeReport
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Request
from duckbourse.streaming.feed import Tick
from tests.support.factories import CAPITAL, NOW

RULES = FillRules(latency_ms=0, slippage_bps=Decimal(0), max_participation_pct=Decimal(100))


@dataclass
class Case:
    """A broker and its market: `trade` lets so many shares of A trade at a price."""

    broker: Broker
    trade: Callable[[str, int], None]


def _trade_on(paper: PaperBroker) -> Callable[[str, int], None]:
    return lambda price, quantity: paper.on_tick(
        Tick("A", clock.now(), Decimal(price), quantity, True)
    )


@contextmanager
def open_paper(folder: Path) -> Iterator[Case]:
    paper = PaperBroker(folder, {"A": Decimal("0.01")}, CAPITAL, RULES)
    try:
        yield Case(paper, _trade_on(paper))
    finally:
        paper.close()


@contextmanager
def open_template(folder: Path) -> Iterator[Case]:
    with open_paper(folder) as case:
        assert isinstance(case.broker, PaperBroker)
        yield Case(TemplateBroker(Exchange(case.broker)), case.trade)


class Exchange:
    """Speaks the words of the template's example, with the paper broker behind it."""

    def __init__(self, paper: PaperBroker) -> None:
        self._paper = paper

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        try:
            return 200, await self._answer(method, path, body or {})
        except BrokerRejected as refusal:
            return 400, str(refusal)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        async for update in self._paper.updates():
            if isinstance(update, TradeReport):
                yield {"kind": "trade", "trade": _trade(update)}
            else:
                yield {"kind": "order", "order": _order(update)}

    async def _answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        match method, path.removeprefix("/").split("/"):
            case "POST", ["orders"]:
                return {"id": await self._paper.place(_request(body))}
            case "DELETE", ["orders", broker_order_id]:
                return await self._paper.cancel(broker_order_id)
            case "GET", ["orders"]:
                return [_order(report) for report in await self._paper.orders()]
            case "GET", ["trades"]:
                return [_trade(trade) for trade in await self._paper.trades()]
            case "GET", ["positions"]:
                return [
                    {
                        "symbol": held.symbol,
                        "product": mapping.PRODUCTS[held.product],
                        "quantity": held.quantity,
                    }
                    for held in await self._paper.positions()
                ]
        raise BrokerRejected(f"{method} {path} does not exist")


def _request(body: dict[str, Any]) -> Request:
    return Request(
        order_id=body["tag"],
        symbol=body["symbol"],
        side=mapping.OUR_SIDES[body["side"]],
        quantity=body["quantity"],
        product=mapping.OUR_PRODUCTS[body["product"]],
        order_type=mapping.OUR_TYPES[body["type"]],
        limit_price=None if body["price"] is None else Decimal(body["price"]),
    )


def _order(report: OrderReport) -> dict[str, Any]:
    status = {state: word for word, state in mapping.STATES.items()}.get(report.state, "QUEUED")
    assert status != "QUEUED" or report.state is State.TRIGGER_PENDING
    return {
        "id": report.broker_order_id,
        "tag": report.order_id,
        "symbol": report.symbol,
        "side": mapping.SIDES[report.side],
        "type": mapping.TYPES[report.order_type],
        "product": mapping.PRODUCTS[report.product],
        "quantity": report.quantity,
        "status": status,
        "filled": report.filled_quantity,
        "average": None if report.average_price is None else str(report.average_price),
        "price": None if report.limit_price is None else str(report.limit_price),
        "message": report.message,
        "at": NOW.isoformat(),
    }


def _trade(trade: TradeReport) -> dict[str, Any]:
    fill = trade.fill
    return {
        "id": fill.fill_key.rpartition("|")[2],
        "order": trade.broker_order_id,
        "tag": fill.order_id,
        "symbol": fill.symbol,
        "side": mapping.SIDES[fill.side],
        "product": mapping.PRODUCTS[fill.product],
        "quantity": fill.quantity,
        "price": str(fill.price),
        "at": fill.filled_at.isoformat(),
    }


CASES = {"paper": open_paper, "template": open_template}
