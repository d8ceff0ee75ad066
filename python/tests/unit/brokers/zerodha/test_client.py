"""Which answers of Kite are a refusal, how it is paced, and that no secret is in what it says."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.zerodha.broker import ZerodhaBroker
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.brokers.zerodha.updates import KiteOrderStream, OrderProtocol
from duckbourse.errors import BrokerError, BrokerRejected, BrokerUnclear
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import NOW, request
from tests.support.kite import ACCESS_TOKEN, API_KEY
from tests.unit.brokers.zerodha.test_mapping import ORDER

KEYS = SecretStr(API_KEY), SecretStr(ACCESS_TOKEN)
Handler = Callable[[httpx.Request], httpx.Response]


def client_of(handler: Handler) -> KiteClient:
    return KiteClient("https://api.kite.trade", *KEYS, transport=httpx.MockTransport(handler))


def answer(status: int, kind: str | None) -> httpx.Response:
    if kind is None:
        return httpx.Response(status, text="<html>a proxy</html>")
    message = f"no, {ACCESS_TOKEN} of {API_KEY}"
    return httpx.Response(
        status, json={"status": "error", "message": message, "error_type": kind, "data": None}
    )


def failing(error: type[Exception]) -> Handler:
    def handler(asked: httpx.Request) -> httpx.Response:
        raise error(f"of {asked.headers['authorization']}")

    return handler


REFUSED, UNCLEAR = BrokerRejected, BrokerUnclear
ANSWERS: list[tuple[int, str | None, type[BrokerError]]] = [
    (400, "InputException", REFUSED),
    (400, "OrderException", REFUSED),
    (400, "MarginException", REFUSED),
    (400, "HoldingException", REFUSED),
    (403, "TokenException", REFUSED),
    (403, "UserException", REFUSED),
    (403, "PermissionException", REFUSED),
    (428, "HoldingException", REFUSED),
    (429, "NetworkException", REFUSED),
    (429, None, REFUSED),
    (400, "GeneralException", UNCLEAR),
    (400, "NetworkException", UNCLEAR),
    (408, "InputException", UNCLEAR),
    (403, None, UNCLEAR),
    (404, None, UNCLEAR),
    (500, "GeneralException", UNCLEAR),
    (502, "DataException", UNCLEAR),
    (503, "NetworkException", UNCLEAR),
    (503, "OrderException", UNCLEAR),
    (504, None, UNCLEAR),
    (302, None, UNCLEAR),
    (200, None, UNCLEAR),
]


@pytest.mark.parametrize(("status", "kind", "meant"), ANSWERS)
def test_an_order_is_refused_only_if_kite_says_so(
    status: int, kind: str | None, meant: type[BrokerError]
) -> None:
    count = 0

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return answer(status, kind)

    with pytest.raises(meant) as failed:
        asyncio.run(client_of(handler).place({}))
    assert type(failed.value) is meant
    assert count == 1, "it is not sent again"


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (httpx.ConnectError, REFUSED),
        (httpx.ConnectTimeout, REFUSED),
        (httpx.PoolTimeout, REFUSED),
        (httpx.ReadTimeout, UNCLEAR),
        (httpx.WriteTimeout, UNCLEAR),
        (httpx.WriteError, UNCLEAR),
        (httpx.ReadError, UNCLEAR),
        (httpx.RemoteProtocolError, UNCLEAR),
        (httpx.DecodingError, UNCLEAR),
        (OSError, UNCLEAR),
    ],
)
def test_what_never_left_was_not_placed(error: type[Exception], meant: type[BrokerError]) -> None:
    with pytest.raises(BrokerError) as failed:
        asyncio.run(client_of(failing(error)).place({}))
    assert type(failed.value) is meant
    shown = "".join(traceback.format_exception(failed.value))
    assert ACCESS_TOKEN not in shown
    assert API_KEY not in shown


@pytest.mark.parametrize(
    "body", [{"data": None}, {"data": {}}, {"data": []}, {"data": {"order_id": ""}}, {}, []]
)
def test_an_answer_without_an_order_is_unclear(body: Any) -> None:
    found = {"status": "success"} | body if isinstance(body, dict) else body
    with pytest.raises(BrokerUnclear):
        asyncio.run(client_of(lambda _: httpx.Response(200, json=found)).place({}))


def test_no_secret_is_in_a_message_or_a_repr() -> None:
    client = client_of(lambda _: answer(403, "TokenException"))
    with pytest.raises(BrokerRejected, match="bourse login zerodha") as failed:
        asyncio.run(client.get("/orders"))
    stream = KiteOrderStream("wss://ws.kite.trade", *KEYS)
    protocol = OrderProtocol("wss://ws.kite.trade", *KEYS, print)
    broker = ZerodhaBroker(client, stream, {})
    shown = [str(failed.value), repr(failed.value), *map(repr, (client, stream, protocol, broker))]
    assert not [text for text in shown if ACCESS_TOKEN in text or API_KEY in text]
    assert ACCESS_TOKEN in protocol.url()


def test_what_is_asked_has_the_headers_of_kite_and_no_secret_in_its_address() -> None:
    asked: list[httpx.Request] = []

    def handler(found: httpx.Request) -> httpx.Response:
        asked.append(found)
        return httpx.Response(200, json={"status": "success", "data": {"order_id": "7"}})

    broker = ZerodhaBroker(client_of(handler), KiteOrderStream("", *KEYS), {}, algo_id="ALGO1")
    assert asyncio.run(broker.place(request(symbol="BSE:A", limit_price=Decimal("1e2")))) == "7"
    (found,) = asked
    assert found.headers["authorization"] == f"token {API_KEY}:{ACCESS_TOKEN}"
    assert found.headers["x-kite-version"] == "3"
    assert str(found.url) == "https://api.kite.trade/orders/regular"
    form = dict(httpx.QueryParams(found.content.decode()))
    assert (form["exchange"], form["price"], form["algo_id"]) == ("BSE", "100", "ALGO1")


def test_a_redirect_and_a_proxy_get_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    seen: list[str] = []

    def handler(asked: httpx.Request) -> httpx.Response:
        seen.append(asked.url.host)
        return httpx.Response(302, headers={"location": "https://example.com/"})

    with pytest.raises(BrokerUnclear):
        asyncio.run(client_of(handler).get("/orders"))
    assert seen == ["api.kite.trade"]


def test_queries_are_paced() -> None:
    at: list[float] = []

    def handler(_: httpx.Request) -> httpx.Response:
        at.append(clock.elapsed_seconds())
        return httpx.Response(200, json={"status": "success", "data": []})

    async def ask(loop: CountedLoop) -> None:
        client = client_of(handler)
        for _ in range(25):
            await client.get("/orders")

    with clock.driven_by(lambda: NOW):
        run_counted(ask, arrival_seconds=0)
    assert len(at) == 25
    assert all(later - earlier >= 1 for earlier, later in zip(at, at[10:], strict=False))
    assert at[-1] < 3


@pytest.mark.parametrize("rows", [None, {}, "x", [1], [{}], [{"product": "MIS"}]])
def test_an_answer_that_cannot_be_read_is_unclear(rows: Any, tmp_path: Path) -> None:
    client = client_of(lambda _: httpx.Response(200, json={"status": "success", "data": rows}))
    broker = ZerodhaBroker(client, KiteOrderStream("", *KEYS), {})

    async def ask() -> None:
        for call in (broker.orders, broker.trades, broker.positions, broker.holdings):
            with pytest.raises(BrokerUnclear):
                await call()

    asyncio.run(ask())


def test_an_order_of_another_that_cannot_be_read_hides_none_of_ours() -> None:
    """One stranger's order with a new word ended every look-up and comparison of the session."""
    ours = {**ORDER, "price": 100}
    strange = {**ours, "order_id": "1", "tags": [], "transaction_type": "LEND"}

    def orders(*rows: Any) -> Any:
        client = client_of(
            lambda _: httpx.Response(200, json={"status": "success", "data": list(rows)})
        )
        return asyncio.run(ZerodhaBroker(client, KiteOrderStream("", *KEYS), {}).orders())

    [found] = orders(strange, ours)
    assert found.broker_order_id == ORDER["order_id"]
    with pytest.raises(BrokerUnclear):
        orders({**ours, "transaction_type": "LEND"})
