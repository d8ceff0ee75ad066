"""Updates of orders: whatever the stream loses, a poll finds, and each trade comes once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.brokers.zerodha.broker import ZerodhaBroker
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.errors import TokenRefused
from duckbourse.orders.broker import OrderReport, TradeReport, Update
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import OrderType
from duckbourse.streaming.feed import Tick
from tests.brokers.contract.cases import RULES
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import CAPITAL, NOW, request
from tests.support.kite import ACCESS_TOKEN, API_KEY, ScriptedVenue


@dataclass
class Scripted:
    """A stream that a test writes."""

    is_up: bool = True
    error: Exception | None = None
    on_order: Callable[[Mapping[str, Any]], None] = lambda _: None
    on_health: Callable[[bool], None] = lambda _: None

    async def run(
        self, on_order: Callable[[Mapping[str, Any]], None], on_health: Callable[[bool], None]
    ) -> None:
        self.on_order, self.on_health = on_order, on_health
        if self.error is not None:
            raise self.error
        if self.is_up:
            on_health(True)
        await asyncio.Event().wait()


@dataclass
class Day:
    """A broker with an exchange and a scripted stream, and what was followed."""

    folder: Path
    stream: Scripted = field(default_factory=Scripted)
    found: list[Update] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paper = PaperBroker(self.folder, {"A": Decimal("0.01")}, CAPITAL, RULES)
        self.exchange = ScriptedVenue(lambda: self.paper)
        keys = SecretStr(API_KEY), SecretStr(ACCESS_TOKEN)
        client = KiteClient("http://127.0.0.1", *keys, transport=self.exchange.transport())
        self.broker = ZerodhaBroker(client, self.stream, {"A": Decimal("0.01")})

    def trade(self, quantity: int) -> None:
        self.paper.on_tick(Tick("A", clock.now(), Decimal(100), quantity))

    async def follow(self) -> None:
        async for update in self.broker.updates():
            self.found.append(update)

    def filled(self) -> list[int]:
        return [each.fill.quantity for each in self.found if isinstance(each, TradeReport)]

    def states(self) -> list[State]:
        return [each.state for each in self.found if isinstance(each, OrderReport)]

    def asked(self, path: str) -> int:
        return sum(each == path for _, each, _ in self.exchange.requests)


def play(folder: Path, stream: Scripted, script: Callable[[Day], Any]) -> Day:
    with clock.driven_by(lambda: NOW):
        day = Day(folder, stream)

        async def whole(loop: CountedLoop) -> None:
            following = asyncio.ensure_future(day.follow())
            await asyncio.sleep(0.1)
            await script(day)
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

        try:
            run_counted(whole, arrival_seconds=0)
        finally:
            day.paper.close()
    return day


def limit() -> Any:
    return request(order_type=OrderType.LIMIT, limit_price=Decimal(101))


def test_an_update_is_passed_on_and_its_trades_are_asked_for_at_once(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        before = day.asked("/orders")
        await day.broker.place(limit())
        day.trade(4)
        (order,) = [day.exchange.order_row(each) for each in await day.paper.orders()]
        day.stream.on_order(order)
        day.stream.on_order(order)
        await asyncio.sleep(0.01)
        assert day.filled() == [4]
        assert day.states() == [State.PARTIAL, State.PARTIAL]
        assert day.asked("/orders") == before, "no poll"
        assert day.asked("/trades") == 1

    play(tmp_path, Scripted(), script)


@pytest.mark.parametrize(
    ("stream", "seconds"),
    [
        (Scripted(), 5.5),
        (Scripted(is_up=False), 1.5),
        (Scripted(error=TokenRefused("no")), 1.5),
        (Scripted(error=RuntimeError("its own")), 1.5),
    ],
    ids=["up", "down", "refused", "broken"],
)
def test_what_the_stream_does_not_say_is_polled(
    tmp_path: Path, stream: Scripted, seconds: float
) -> None:
    async def script(day: Day) -> None:
        await day.broker.place(limit())
        day.trade(4)
        day.trade(6)
        await asyncio.sleep(seconds)
        assert day.filled() == [4, 6]
        assert day.states() == [State.FILLED]
        await asyncio.sleep(20)
        assert day.filled() == [4, 6], "once"
        assert day.states() == [State.FILLED]

    play(tmp_path, stream, script)


def test_a_connection_that_comes_back_is_followed_by_a_poll(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        await day.broker.place(limit())
        day.stream.on_health(False)
        day.stream.on_health(True)
        await asyncio.sleep(0.01)
        assert day.states() == [State.OPEN]

    play(tmp_path, Scripted(), script)


def test_a_poll_that_fails_is_repeated_and_ends_nothing(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        day.exchange.lose("time-out")
        day.trade(1)
        await asyncio.sleep(12)
        day.exchange.lose(None)
        await day.broker.place(limit())
        await asyncio.sleep(5.5)
        assert day.states() == [State.OPEN]

    play(tmp_path, Scripted(), script)


def test_a_trade_that_is_listed_late_is_asked_for_until_it_is(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        await day.broker.place(limit())
        day.trade(4)
        (order,) = [day.exchange.order_row(each) for each in await day.paper.orders()]
        trades, day.paper._trades = day.paper._trades, []
        day.stream.on_order(order)
        await asyncio.sleep(0.15)
        assert day.filled() == []
        day.paper._trades = trades
        await asyncio.sleep(1.5)
        assert day.filled() == [4]

    play(tmp_path, Scripted(), script)


@pytest.mark.parametrize("message", [{}, {"product": "MIS"}, {"product": "MIS", "quantity": "x"}])
def test_a_message_that_cannot_be_read_is_replaced_by_a_poll(
    tmp_path: Path, message: dict[str, Any]
) -> None:
    async def script(day: Day) -> None:
        await day.broker.place(limit())
        day.stream.on_order(message)
        await asyncio.sleep(0.05)
        assert day.states() == [State.OPEN]

    play(tmp_path, Scripted(), script)


def test_orders_of_a_product_that_is_not_traded_are_others(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        await day.broker.place(limit())
        (order,) = [day.exchange.order_row(each) for each in await day.paper.orders()]
        foreign = {**order, "product": "NRML", "tag": "by hand", "tags": [], "order_id": "9"}
        day.stream.on_order(foreign)
        day.stream.on_order(order)
        await asyncio.sleep(0.05)
        assert {each.broker_order_id for each in day.found} == {order["order_id"]}

    play(tmp_path, Scripted(), script)


def test_an_order_of_others_is_canceled_by_its_variety(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        broker_order_id = await day.broker.place(limit())
        day.exchange.variety = "co"
        await day.broker.orders()
        with suppress(Exception):
            await day.broker.cancel(broker_order_id)
        assert day.exchange.requests[-1][:2] == ("DELETE", f"/orders/co/{broker_order_id}")

    play(tmp_path, Scripted(), script)


def test_an_update_that_is_lost_after_a_request_is_soon_replaced_by_a_poll(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        await asyncio.sleep(1)
        broker_order_id = await day.broker.place(limit())
        await asyncio.sleep(1.1)
        assert day.states() == [State.OPEN]
        await day.broker.cancel(broker_order_id)
        await asyncio.sleep(1.1)
        assert day.states() == [State.OPEN, State.CANCELLED]
        before = day.asked("/orders")
        await asyncio.sleep(4)
        assert day.asked("/orders") == before, "nothing is waited for"

    play(tmp_path, Scripted(), script)


def test_an_order_whose_status_says_little_is_asked_for_soon(tmp_path: Path) -> None:
    async def script(day: Day) -> None:
        broker_order_id = await day.broker.place(limit())
        await asyncio.sleep(1.1)
        day.exchange.rename("SOMETHING NEW")
        (order,) = [day.exchange.order_row(each) for each in await day.paper.orders()]
        day.stream.on_order(order)
        await asyncio.sleep(0.1)
        day.exchange.word = None
        await day.paper.cancel(broker_order_id)
        await asyncio.sleep(1.1)
        assert day.states()[-1] is State.CANCELLED

    play(tmp_path, Scripted(), script)


def test_a_stream_that_gave_up_is_tried_again(tmp_path: Path) -> None:
    stream = Scripted(error=TokenRefused("a proxy's"))

    async def script(day: Day) -> None:
        stream.error = None
        await asyncio.sleep(31)
        before = day.asked("/orders")
        await asyncio.sleep(10)
        assert day.asked("/orders") - before <= 3, "the stream is up"

    play(tmp_path, stream, script)
