"""The official client speaks to the venue, and reads there what ours reads, field by field."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from kiteconnect import KiteConnect, KiteTicker
from kiteconnect.exceptions import InputException, OrderException, TokenException
from pydantic import SecretStr

from duckbourse.brokers.paper import PaperBroker
from duckbourse.brokers.zerodha.broker import ZerodhaBroker
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.brokers.zerodha.stream import KiteProtocol
from duckbourse.brokers.zerodha.updates import KiteOrderStream
from duckbourse.streaming.feed import Tick, decimal_price
from duckbourse.venue.ticks import Quote, frame_of
from tests.brokers.contract.cases import RULES
from tests.support.factories import CAPITAL
from tests.support.kite import (
    ACCESS_TOKEN,
    API_KEY,
    API_SECRET,
    BEGINS_AT,
    REQUEST_TOKEN,
    ScriptedVenue,
    Served,
    serving,
)
from tests.support.waiting import HANG_SECONDS

TICK_SIZES = {"A": Decimal("0.05"), "BSE:B": Decimal("0.05")}
A, B = 1 << 8 | 1, 2 << 8 | 4
KEYS = SecretStr(API_KEY), SecretStr(ACCESS_TOKEN)
# what the official client receives of two instruments, until an order is complete
FOLLOWER = f"""
import json, sys
from kiteconnect import KiteTicker
ticker = KiteTicker({API_KEY!r}, {ACCESS_TOKEN!r}, root=sys.argv[1])
def on_connect(_, response):
    ticker.subscribe([{A}, {B}])
    ticker.set_mode("full", [{A}])
def on_ticks(_, ticks):
    print(json.dumps({{"ticks": ticks}}, default=str), flush=True)
def on_order_update(_, order):
    print(json.dumps({{"order": order}}), flush=True)
ticker.on_connect, ticker.on_ticks = on_connect, on_ticks
ticker.on_order_update = on_order_update
ticker.connect()
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    books: list[PaperBroker] = []

    def open_book() -> PaperBroker:
        books.append(PaperBroker(tmp_path, TICK_SIZES, CAPITAL, RULES))
        return books[-1]

    closes = {"A": Decimal("99.5")}
    try:
        with serving(ScriptedVenue(open_book, TICK_SIZES, closes=closes)) as found:
            yield found
    finally:
        books[-1].close()


def client_of(served: Served, token: str | None = ACCESS_TOKEN) -> Any:
    client = KiteConnect(API_KEY, access_token=token, root=served.root)
    client.reqsession.trust_env = False
    return client


def move(served: Served, *rows: tuple[str, float, str, int]) -> None:
    """Let the market trade: an instrument, seconds, a price and a quantity each."""
    ticks = [
        {
            "instrument": instrument,
            "at": (BEGINS_AT + timedelta(seconds=seconds)).isoformat(),
            "price": price,
            "quantity": quantity,
        }
        for instrument, seconds, price, quantity in rows
    ]
    headers = {"authorization": f"token {API_KEY}:{ACCESS_TOKEN}"}
    with httpx.Client(base_url=served.root, headers=headers, trust_env=False) as http:
        assert http.post("/venue/ticks", json=ticks).status_code == 200


def order(**changed: Any) -> dict[str, Any]:
    return {
        **{"variety": "regular", "exchange": "NSE", "tradingsymbol": "A"},
        **{"transaction_type": "BUY", "quantity": 10, "product": "MIS", "order_type": "LIMIT"},
        **{"price": 100.05, "validity": "DAY", "tag": "official1"},
        **changed,
    }


def ours(served: Served) -> dict[str, list[Any]]:
    async def read() -> dict[str, list[Any]]:
        client = KiteClient(served.root, *KEYS)
        broker = ZerodhaBroker(client, KiteOrderStream(served.stream, *KEYS), TICK_SIZES)
        try:
            return {
                "orders": list(await broker.orders()),
                "trades": list(await broker.trades()),
                "positions": list(await broker.positions()),
            }
        finally:
            await client.disconnect()

    return asyncio.run(read())


def test_it_reads_what_ours_reads(served: Served) -> None:
    kite = client_of(served)
    bought = kite.place_order(**order())
    stop = order(
        order_type="SL", transaction_type="SELL", trigger_price=98, price=97.5, tag="official2"
    )
    resting = kite.place_order(**stop)
    kite.modify_order("regular", resting, quantity=8, price=97, trigger_price=97.5, order_type="SL")
    gone = kite.place_order(**order(price=90, tag="official3"))
    kite.cancel_order("regular", gone)
    move(served, ("NSE:A", 1, "100.00", 4), ("NSE:A", 2, "99.95", 4))
    found = ours(served)
    reports = {each.broker_order_id: each for each in found["orders"]}
    theirs = {each["order_id"]: each for each in kite.orders()}
    assert [*theirs] == [*reports] == [bought, resting, gone]
    for key, each in theirs.items():
        report = reports[key]
        assert (each["tag"], each["quantity"], each["filled_quantity"]) == (
            *(report.order_id, report.quantity, report.filled_quantity),
        )
        assert Decimal(str(each["price"])) == report.limit_price
        assert Decimal(str(each["trigger_price"])) == (report.trigger_price or 0)
        assert Decimal(str(each["average_price"])) == (report.average_price or 0)
        assert each["order_timestamp"].hour == report.at.hour + 5
        assert kite.order_history(key) == [each]
    assert [each["status"] for each in theirs.values()] == ["OPEN", "TRIGGER PENDING", "CANCELLED"]
    assert theirs[resting]["quantity"], theirs[resting]["trigger_price"] == (8, 97.5)
    trades = kite.trades()
    assert trades == kite.order_trades(bought)
    assert (
        [
            (each["trade_id"], each["quantity"], Decimal(str(each["average_price"])))
            for each in trades
        ]
        == [
            (each.fill.fill_key.rpartition("|")[2], each.fill.quantity, each.fill.price)
            for each in found["trades"]
        ]
        == [("T000001", 4, Decimal(100)), ("T000002", 4, Decimal("99.95"))]
    )
    (held,) = kite.positions()["net"]
    (position,) = found["positions"]
    assert (held["tradingsymbol"], held["quantity"]) == (position.symbol, position.quantity)
    assert kite.margins()["equity"]["net"] == float(CAPITAL) - 4 * 100 - 4 * 99.95
    assert kite.holdings() == []
    rows = {each["tradingsymbol"]: each for each in kite.instruments()}
    assert (rows["A"]["instrument_token"], rows["B"]["exchange"]) == (A, "BSE")
    assert [each["tradingsymbol"] for each in kite.instruments("NSE")] == ["A"]


def test_it_reads_a_refusal_as_its_own_kind_of_error(served: Served) -> None:
    kite = client_of(served)
    with pytest.raises(InputException, match="tag"):
        kite.place_order(**order(tag="no-dash"))
    with pytest.raises(InputException, match="protection"):
        kite.place_order(**order(order_type="MARKET", price=None))
    with pytest.raises(InputException, match="iceberg"):
        kite.place_order(**order(product="iceberg"))
    with pytest.raises(OrderException, match="not traded here"):
        kite.place_order(**order(tradingsymbol="NOBODY"))
    with pytest.raises(OrderException, match="find"):
        kite.order_history("X1")
    with pytest.raises(TokenException):
        client_of(served, "wrong").orders()


def test_it_logs_in(served: Served) -> None:
    kite = client_of(served, None)
    session = kite.generate_session(REQUEST_TOKEN, API_SECRET)
    assert (session["access_token"], kite.orders()) == (ACCESS_TOKEN, [])
    # a request token is spent by one login
    with pytest.raises(TokenException, match="expired"):
        kite.generate_session(REQUEST_TOKEN, API_SECRET)


def test_it_follows_ticks_and_orders(served: Served) -> None:
    environment = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    with subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, served.stream],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        # what never comes ends the lines
        timer = threading.Timer(HANG_SECONDS, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            lines = (json.loads(line) for line in process.stdout)
            # what was subscribed to is sent at once
            first, second = next(lines)["ticks"]
            assert {first["instrument_token"], second["instrument_token"]} == {A, B}
            assert {first["mode"], second["mode"]} == {"quote"}
            (full,) = next(lines)["ticks"]
            assert (full["mode"], full["ohlc"]["close"]) == ("full", 99.5)
            client_of(served).place_order(**order(quantity=4))
            assert next(lines)["order"]["status"] == "OPEN"
            move(served, ("NSE:A", 61, "100.00", 4), ("BSE:B", 61, "20.05", 7))
            after = [next(lines), next(lines)]
        finally:
            timer.cancel()
            process.kill()
    (traded, other), done = sorted(
        (each.get("ticks") or each["order"] for each in after), key=lambda each: "status" in each
    )
    assert (done["status"], done["filled_quantity"]) == ("COMPLETE", 4)
    assert (traded["last_price"], traded["volume_traded"]) == (100.0, 4)
    assert traded["ohlc"] == {"open": 100.0, "high": 100.0, "low": 100.0, "close": 99.5}
    assert (other["instrument_token"], other["last_price"]) == (B, 20.05)


@pytest.mark.parametrize("mode", ["ltp", "quote", "full"])
def test_its_parser_and_ours_read_a_frame_alike(mode: Any) -> None:
    quotes = [Quote(A, 9950), Quote(B)]
    for seconds, price in enumerate(("100.05", "101.00", "99.35", "100.10")):
        for place, quote in enumerate(quotes):
            at = BEGINS_AT + timedelta(seconds=seconds)
            quote.trade(Tick("", at, Decimal(price) + place, 5 + seconds))
    frame = frame_of(each.packet(mode) for each in quotes)
    theirs = KiteTicker("key", "token")._parse_binary(frame)
    protocol = KiteProtocol(
        *(*KEYS, {"A": A, "BSE:B": B}), on_order=lambda _: None, root="ws://127.0.0.1"
    )
    records = protocol._decode_few([frame], [0])
    assert [each["instrument_token"] for each in theirs] == [A, B]
    for their, record, place in zip(theirs, records, range(2), strict=True):
        assert Decimal(str(their["last_price"])) == decimal_price(int(record["price"]))
        assert decimal_price(int(record["price"])) == Decimal("100.10") + place
        if mode != "ltp":
            assert their["volume_traded"] == record["cumulative_volume"] == 26
            assert their["last_traded_quantity"] == record["quantity"] == 8
            prices = [Decimal(str(their["ohlc"][name])) - place for name in ("open", "high", "low")]
            assert prices == [Decimal("100.05"), Decimal(101), Decimal("99.35")]
            mean = (5 * 10005 + 6 * 10100 + 7 * 9935 + 8 * 10010) / 26 / 100 + place
            assert their["average_traded_price"] == round(mean, 2)
        if mode == "full":
            assert their["last_trade_time"].timestamp() == record["traded_at"] / 1e6
            assert record["traded_at"] == (BEGINS_AT.timestamp() + 3) * 1e6
