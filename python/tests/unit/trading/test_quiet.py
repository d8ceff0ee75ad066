"""What a pass leaves out cannot have changed: a look at it would have changed nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

SYMBOLS = ("A", "B", "C", "D")
START = at(10)
SILENCE = Market(Path()).limits.max_silence_seconds
TICK_AGE = Market(Path()).limits.max_tick_age_ms / 1000


def about(*known: float | str) -> st.SearchStrategy[Decimal]:
    """Draw one of these, or what is a little beside it."""
    little = st.sampled_from([0, 0, 0, 1, -1]).map(lambda way: way * Decimal("0.000001"))
    return st.builds(lambda value, away: Decimal(value) + away, st.sampled_from(known), little)


# stops and targets meet prices often, and are finer than ticks at times
levels = st.builds(
    lambda level, finer: level + finer,
    about("99", "100", "101"),
    st.sampled_from([Decimal(0), Decimal("0.00000025"), Decimal("-0.00000025")]),
)
prices = about("98", "99", "99.5", "100", "100.5", "101", "102")
seconds = st.sampled_from(
    [0, 0.5, TICK_AGE, TICK_AGE + 0.000001, SILENCE, SILENCE + 0.000001, 900, -0.5, -900]
)
exits_of_entry = st.none() | st.builds(
    Exits,
    stop_price=st.none() | levels,
    target_price=st.none() | levels,
    trail_distance=st.none() | about("0.5", "1", "2"),
    exit_at=st.none() | seconds.map(lambda later: START + timedelta(seconds=later + 1)),
)
entries = st.lists(st.tuples(st.sampled_from(SYMBOLS[:3]), st.sampled_from(Side), exits_of_entry))
ticks = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS),
        prices,
        st.none() | seconds.filter(lambda age: age >= 0),
        st.just(0) | prices,
        st.just(0) | prices,
    ),
    max_size=3,
)
happenings = st.sampled_from([None, None, None, *Reason]) | exits_of_entry
passes = st.lists(st.tuples(seconds, ticks, happenings), min_size=1, max_size=12)


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

    def happen(self, what: Reason | Exits | None) -> None:
        """Close all for a reason, or change the exits of the oldest entry."""
        if isinstance(what, Reason):
            self.record(events.FlattenRequested(at=self.now, reason=what))
        elif what is not None and (held := self.book.held_entries()):
            entry_id = held[0].request.order_id
            self.record(
                events.ExitsChanged(at=self.now, entry_id=entry_id, exits=what, by="strategy")
            )

    def look(self) -> None:
        """Look at all, and expect that what would be left out changes nothing."""
        quiet = self.exits._quiet()
        for entry in self.book.held_entries():
            before = len(self.recorded)
            self.exits._trigger_guarded(entry)
            if entry.request.order_id in quiet:
                assert self.recorded[before:] == []

    def expect_what_the_book_says(self) -> None:
        assert self.holdings.equity_amount(self.book) == self.book.equity_amount(self.prices)
        silence = {each: self.prices.seconds_of_silence(each) for each in self.book.held_symbols()}
        may_be = self.holdings.may_be_silent(self.book, SILENCE)
        assert self.holdings.symbols == self.book.held_symbols()
        assert may_be or all(each is not None and each <= SILENCE for each in silence.values())


@settings(max_examples=300)
@given(wanted=entries, made=passes)
def test_what_a_pass_leaves_out_would_change_nothing(wanted: Any, made: Any) -> None:
    account = Pass(wanted)

    def now() -> datetime:
        return account.now

    with clock.driven_by(now):
        for later, found, happening in made:
            account.now += timedelta(seconds=later)
            account.receive(found)
            account.happen(happening)
            account.look()
            account.expect_what_the_book_says()


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
