"""What a pass leaves out cannot have changed: a look at it would have changed nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.events import Event
from duckbourse.orders.order import Exits, Reason, Side
from duckbourse.streaming.feed import RECORD, microseconds, millionths
from duckbourse.streaming.prices import LastPrices
from duckbourse.trading.exits import ExitManager
from duckbourse.trading.loop import Trader
from duckbourse.trading.quiet import Holdings
from tests.support.factories import CAPITAL, fill, request
from tests.support.market import Market, at, instrument, tick

SYMBOLS = ("A", "B", "C")
START = at(10)
SILENCE = Market(Path()).limits.max_silence_seconds
TICK_AGE = Market(Path()).limits.max_tick_age_ms / 1000


class Chance:
    """Draws what meets often: all examples of hypothesis hardly ever moved a price twice."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def one(self, *of: Any) -> Any:
        return self.random.choice(of)

    def about(self, *known: str) -> Decimal:
        """Draw one of these, or what is a millionth beside it."""
        beside: int = self.one(0, 0, 0, 1, -1)
        return Decimal(self.one(*known)) + beside * Decimal("0.000001")

    def level(self) -> Decimal:
        """Draw a stop or a target, which may be finer than a tick's price."""
        finer = self.one("0", "0.00000025", "-0.00000025")
        return self.about("99", "101") + Decimal(finer)

    def price(self) -> Decimal:
        return self.about("98", "99", "100", "100", "100.5", "101", "102")

    def seconds(self) -> float:
        short = (0, 0.5, TICK_AGE, TICK_AGE + 0.000001)
        return float(self.one(*short, *short, SILENCE, SILENCE + 0.000001, 900, -0.5, -900))

    def exits(self) -> Exits:
        def maybe(value: Any) -> Any:
            return self.one(None, None, value)

        return Exits(
            stop_price=maybe(self.level()),
            target_price=maybe(self.level()),
            trail_distance=maybe(self.about("0.5", "1", "2")),
            exit_at=maybe(START + timedelta(seconds=self.seconds() + 1)),
        )

    def entries(self) -> list[tuple[str, Side, Exits | None]]:
        return [
            (self.one("A", "A", "B"), self.one(*Side), self.one(None, self.exits(), self.exits()))
            for _ in range(self.one(1, 2))
        ]

    def ticks(self) -> list[tuple[str, Decimal, float | None, Any, Any]]:
        """Draw ticks with the age of their trade, mostly fresh; None: no trade in this session."""
        ages = (0, 0, 0, 0, 0, None, SILENCE, SILENCE + 0.000001, 900)
        return [
            (
                self.one("A", "A", "A", "B", "C"),
                self.price(),
                self.one(*ages),
                self.one(0, self.price()),
                self.one(0, self.price()),
            )
            for _ in range(self.one(0, 1, 1, 2))
        ]

    def happening(self) -> Any:
        """Draw a reason to close all, other exits, another entry, or mostly nothing."""
        some = (Reason.SQUARE_OFF, self.exits(), self.exits(), self.entries()[0])
        return self.one(*[None] * 40, *some)


class Pass:
    """An account whose exits are looked at in passes that the test makes."""

    def __init__(self, wanted: Sequence[tuple[str, Side, Exits | None]]) -> None:
        self.now = START
        self.book = Book(CAPITAL)
        self.recorded: list[Event] = []
        self.prices = LastPrices(SYMBOLS)
        market = Market(Path(), instruments={each: instrument(each) for each in SYMBOLS})
        publication = market.publication()
        capabilities = SimpleNamespace(can_rest_stops=False)
        manager: Any = SimpleNamespace(
            book=self.book, record=self.record, broker=SimpleNamespace(capabilities=capabilities)
        )
        self.exits = ExitManager(manager, self.prices, lambda: publication)
        self.holdings = Holdings(self.prices)
        for symbol, side, exits in wanted:
            self.hold(symbol, side, exits)

    def clock(self) -> datetime:
        return self.now

    def record(self, event: Event) -> None:
        self.recorded.append(event)
        self.book.apply(event)

    def hold(self, symbol: str, side: Side, exits: Exits | None) -> None:
        """Hold ten shares, each entry of a strategy of its own."""
        name = f"strategy {len(self.book.orders)}"
        order = request(symbol=symbol, side=side, exits=exits, strategy=name)
        self.record(events.OrderIntended(at=START, request=order))
        self.record(events.OrderSent(at=START, order_id=order.order_id))
        filled = fill(10, "100", side, symbol=symbol, order_id=order.order_id)
        self.record(events.FillBooked(at=START, fill=filled))

    def receive(self, found: Sequence[tuple[str, Decimal, float | None, Any, Any]]) -> None:
        """Receive ticks, each with the age of its trade; without one, it did not trade yet."""
        records = np.zeros(len(found), RECORD)
        for record, (symbol, price, age, bid, ask) in zip(records, found, strict=True):
            record["symbol"] = SYMBOLS.index(symbol)
            record["received_at"] = microseconds(self.now)
            record["traded_at"] = microseconds(self.now - timedelta(seconds=age or 0))
            record["price"] = millionths(price)
            record["bid"], record["ask"] = (millionths(Decimal(each)) for each in (bid, ask))
        is_traded = np.array([age is not None for _, _, age, _, _ in found], bool)
        self.prices.update(records[is_traded])
        self.prices.update_quotes(records[~is_traded])

    def happen(self, what: Any) -> None:
        """Close all for a reason, change the exits of the oldest entry, or hold another one."""
        if isinstance(what, tuple):
            self.hold(*what)
        elif isinstance(what, Reason):
            self.record(events.FlattenRequested(at=self.now, reason=what))
        elif what is not None and (held := self.book.held_entries()):
            entry_id = held[0].request.order_id
            self.record(
                events.ExitsChanged(at=self.now, entry_id=entry_id, exits=what, by="strategy")
            )

    def look(self) -> None:
        """Look at all, and expect of what would be left out that a look changes nothing."""
        quiet = self.exits._quiet()
        for entry in self.book.held_entries():
            before = len(self.recorded)
            self.exits._evaluate(entry)
            if entry.request.order_id in quiet:
                assert self.recorded[before:] == []

    def expect_what_the_book_says(self) -> None:
        assert self.holdings.equity_amount(self.book) == self.book.equity_amount(self.prices)
        silence = {each: self.prices.seconds_of_silence(each) for each in self.book.held_symbols()}
        may_be = self.holdings.may_be_silent(self.book, SILENCE)
        assert self.holdings.symbols == self.book.held_symbols()
        assert may_be or all(each is not None and each <= SILENCE for each in silence.values())


def test_what_a_pass_leaves_out_would_change_nothing() -> None:
    for seed in range(600):
        chance = Chance(seed)
        account = Pass(chance.entries())
        with clock.driven_by(account.clock):
            for _ in range(12):
                account.now += timedelta(seconds=chance.seconds())
                account.receive(chance.ticks())
                account.happen(chance.happening())
                account.look()
                account.look()  # so that what changed is quiet again
                account.expect_what_the_book_says()


def test_what_an_exit_changes_is_looked_at_in_the_same_pass() -> None:
    """A subscriber wants all closed when the first entry is."""
    account = Pass([("A", Side.BUY, Exits(stop_price=Decimal(99))), ("A", Side.BUY, None)])
    first, second = (entry.request.order_id for entry in account.book.held_entries())

    def record(event: Event) -> None:
        account.record(event)
        if isinstance(event, events.ExitTriggered) and event.entry_id == first:
            account.happen(Reason.DAILY_LOSS)

    account.exits._manager.record = record  # type: ignore[method-assign]
    with clock.driven_by(account.clock), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExitManager, "_work_on", not_at_all)
        for price in (100, 100, 98):
            account.receive([("A", Decimal(price), 0, 0, 0)])
            asyncio.run(account.exits.step())
    assert account.book.exit_reason == {first: Reason.STOP, second: Reason.DAILY_LOSS}


async def not_at_all(*_: object) -> None:
    """Work on no exit."""


def test_a_position_is_looked_at_only_when_its_price_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred ticks between stop and target cost a hundred looks at each position."""
    looks = 0
    trigger = ExitManager._trigger

    def counted(exits: ExitManager, entry: Any) -> None:
        nonlocal looks
        looks += 1
        trigger(exits, entry)

    monkeypatch.setattr(ExitManager, "_trigger", counted)
    market = Market(tmp_path / "session")
    before: dict[int, int] = {}

    def note(trader: Trader) -> None:
        before[trader.tick_count] = looks

    quiet = [tick(at(9, 46, n), 99 + n % 2) for n in range(100)]
    bought = [tick(at(9, 45, second), 100) for second in (1, 2, 3, 4)]
    ends = tick(at(9, 48), 97.99)
    market.trade([*bought, *quiet, ends], at_tick={4: note, 104: note}, to_end=False)
    assert before[104] == before[4]
    assert [event.reason for event in market.of(events.ExitTriggered)] == [Reason.STOP]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_what_no_entry_opened_is_worth_no_more_than_it_cost(side: Side) -> None:
    """A trade in another symbol than its order, at that one's price, was an invented gain."""
    account = Pass([("B", Side.BUY, None)])
    [order_id] = account.book.orders
    odd = fill(10, "100", side, order_id=order_id)
    account.record(events.FillBooked(at=START, fill=odd))
    for change in (5, -5):
        price = Decimal(100) + change * side.sign
        account.receive([("A", price, 0, 0, 0), ("B", Decimal(100), 0, 0, 0)])
        worth = CAPITAL + 10 * min(0, change)
        assert account.book.equity_amount(account.prices) == worth
        assert account.holdings.equity_amount(account.book) == worth
