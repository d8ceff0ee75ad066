"""The brokers that the contract is tested on, each with a market that a test can move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers._template import mapping
from duckbourse.brokers._template.broker import TemplateBroker
from duckbourse.brokers._template.client import Transport
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.brokers.zerodha.broker import ZerodhaBroker
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.errors import BrokerRejected
from duckbourse.orders.broker import Broker, OrderReport, TradeReport
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Request
from duckbourse.streaming.feed import Tick
from tests.support.factories import CAPITAL, NOW
from tests.support.kite import ACCESS_TOKEN, API_KEY, ScriptedVenue

RULES = FillRules(latency_ms=0, slippage_bps=Decimal(0), max_participation_pct=Decimal(100))


# how an answer is lost after the broker has acted on the request
LOST = ("no answer", "time-out", "error", "gateway time-out", "no answer of the broker")


@dataclass
class Case:
    """
    A broker and its market: `trade` lets so many shares of A trade at a price.

    Of a broker with a connection, `lose` lets it lose each answer in one of the ways of LOST from
    then on, or none for None; with "rows", the rows of an answer cannot be read. `rename` reports
    every order with a status of a new word. A broker that is part of this process has neither.
    """

    broker: Broker
    trade: Callable[[str, int], None]
    lose: Callable[[str | None], None] | None = None
    rename: Callable[[str], None] | None = None


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
def open_template(
    folder: Path, broker: Callable[[Transport], Broker] = TemplateBroker
) -> Iterator[Case]:
    with open_paper(folder) as case:
        assert isinstance(case.broker, PaperBroker)
        exchange = Exchange(case.broker)
        yield Case(broker(exchange), case.trade, exchange.lose, exchange.rename)


@contextmanager
def open_zerodha(folder: Path) -> Iterator[Case]:
    with open_paper(folder) as case:
        paper = case.broker
        assert isinstance(paper, PaperBroker)
        exchange = ScriptedVenue(lambda: paper)
        client = KiteClient(
            "http://127.0.0.1",
            SecretStr(API_KEY),
            SecretStr(ACCESS_TOKEN),
            transport=exchange.transport(),
        )
        broker = ZerodhaBroker(client, exchange, {"A": Decimal("0.01")})
        yield Case(broker, case.trade, exchange.lose, exchange.rename)


class Exchange:
    """Speaks the words of the template's example, with the paper broker behind it."""

    def __init__(self, paper: PaperBroker) -> None:
        self._paper = paper
        self._lost: str | None = None
        self._word: str | None = None

    def lose(self, how: str | None) -> None:
        self._lost = how

    def rename(self, word: str) -> None:
        self._word = word

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        try:
            answer: tuple[int, Any] = 200, {"data": await self._answer(method, path, body or {})}
        except BrokerRejected as refusal:
            answer = 400, {"error": str(refusal)}
        match self._lost:
            case "no answer":
                raise ConnectionResetError("the connection was reset")
            case "time-out":
                raise TimeoutError("no answer in time")
            case "error":
                return 502, "bad gateway"
            case "gateway time-out":
                return 408, {"error": "the request timed out"}
            case "no answer of the broker":
                return 200, "<html>"
            case "rows" if isinstance(answer[1].get("data"), list):
                rows = [row | {"symbol": None, "quantity": "?"} for row in answer[1]["data"]]
                return 200, {"data": [{**row, "product": "?"} for row in rows]}
        return answer

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        async for update in self._paper.updates():
            if isinstance(update, TradeReport):
                yield {"kind": "trade", "trade": _trade(update)}
            else:
                yield {"kind": "order", "order": self._named(_order(update))}

    def _named(self, order: dict[str, Any]) -> dict[str, Any]:
        return order if self._word is None else order | {"status": self._word}

    async def _answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        match method, path.removeprefix("/").split("/"):
            case "POST", ["orders"]:
                return {"id": await self._paper.place(_request(body))}
            case "DELETE", ["orders", broker_order_id]:
                return await self._paper.cancel(broker_order_id)
            case "GET", ["orders"]:
                return [self._named(_order(report)) for report in await self._paper.orders()]
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


CASES: dict[str, Callable[[Path], AbstractContextManager[Case]]] = {
    "paper": open_paper,
    "template": open_template,
    "zerodha": open_zerodha,
}
