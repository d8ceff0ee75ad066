"""Orders by hand pass the checks and the journal, are answered, and never sent twice or late."""

from __future__ import annotations

import re
import signal as signals
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.cli import main
from duckbourse.cli.session import _open_figures, _why_sent
from duckbourse.cli.trade import _refuse_bad_end, _refuse_left, ending, round_trips
from duckbourse.errors import BrokerRejected, ConfigurationError, FeedFailed, PositionsLeft
from duckbourse.orders import events
from duckbourse.orders.book import provisional_key, rebuild_book
from duckbourse.orders.events import TradingState
from duckbourse.orders.journal import FILE, HEAD, open_journal, read_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, Product, Reason, Request, Side
from duckbourse.streaming.feed import Tick
from duckbourse.trading import last_prices
from duckbourse.trading.commands import FOLDER, Answer, OrderByHand, answer_to, prepare, send
from duckbourse.trading.loop import Trader
from duckbourse.trading.session import summary, unwatched
from duckbourse.trading.session_folder import SessionFolder
from duckbourse.trading.strategy import Close, Context, Strategy
from tests.support.factories import fill
from tests.support.market import (
    DAY,
    ZONE,
    Market,
    at,
    exits,
    instrument,
    signal,
    tick,
    with_limits,
)
from tests.unit.trading.test_strategies import At

TICKS = [tick(at(9, 45, second), 100) for second in range(12)]
# one that does not fill
LIMIT = Decimal("97.50")


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path / "session", signals=[])


@pytest.fixture(autouse=True)
def noon(day_of_test: object) -> Iterator[None]:
    with clock.driven_by(lambda: datetime(2026, 11, 25, 17, tzinfo=UTC)):
        yield


def order(market: Market, name: str, action: str, target: str = "A", **terms: Any) -> None:
    wanted = OrderByHand(action=action, target=target, **terms)
    send(market.folder, "order", "by hand", request_id=name, order=wanted)


def ordering(market: Market, name: str, action: str, **terms: Any) -> Callable[[Trader], None]:
    return lambda _: order(market, name, action, **terms)


def answered(market: Market, name: str) -> Answer:
    answer = answer_to(market.folder / FOLDER / f"{name}.json", 0)
    assert answer is not None
    return answer


def test_a_purchase_is_filled_and_answered(market: Market) -> None:
    order(market, "one", "buy", quantity=10, stop_price=Decimal(98))
    trader = market.trade(TICKS, to_end=False)
    [placed] = trader.book.orders.values()
    answer = answered(market, "one")
    assert (answer.is_obeyed, answer.is_final) == (True, True)
    assert answer.message == "10 of 10 A filled at 100.00"
    assert answer.figures["order_id"] == placed.request.order_id
    assert placed.request.strategy == "by_hand"
    # the protection of the account, since no limit was given
    assert placed.request.limit_price == Decimal(101)
    assert trader.book.quantity_of("by_hand", "A", Product.MIS) == 10


@pytest.mark.parametrize(
    ("product", "stop", "said"),
    [
        (Product.CNC, None, "held, without an exit: A +10"),
        (Product.CNC, Decimal(98), "held, with their exits: A +10"),
        # it is squared off
        (Product.MIS, None, "held, with their exits: A +10"),
    ],
)
def test_a_halt_says_whether_what_is_held_has_an_exit(
    market: Market, product: Product, stop: Decimal | None, said: str
) -> None:
    market.limits = with_limits(product=product)
    order(market, "one", "buy", quantity=10, stop_price=stop)
    halts: list[Path] = []

    def halt(_: Trader) -> None:
        halts.append(send(market.folder, "halt", "news"))

    market.trade(TICKS, at_tick={6: halt}, to_end=False)
    answer = answer_to(halts[0], 0)
    assert answer is not None and answer.message == f"halted: news; {said}"


def test_an_order_that_its_stop_overtakes_did_nothing_and_says_why(market: Market) -> None:
    """It was answered as done, without a word."""
    order(market, "one", "buy", quantity=10, stop_price=Decimal(98))
    sell = ordering(market, "two", "sell", quantity=4, limit_price=Decimal(102))
    ticks = [*TICKS[:8], *(tick(at(9, 50, second), "97.5") for second in range(4))]
    trader = market.trade(ticks, at_tick={5: sell}, to_end=False)
    answer = answered(market, "two")
    assert (answer.is_obeyed, answer.is_final) == (False, True)
    assert answer.message == "cancelled: 0 of 4 A filled; A is closed: stop"
    [sold] = [each for each in trader.book.orders.values() if each.request.quantity == 4]
    assert sold.why == "A is closed: stop"


def test_an_order_that_only_closes_what_is_held_is_no_entry(market: Market) -> None:
    def named(trader: Trader) -> list[tuple[str, int, str]]:
        return [
            (str(each.request.side), each.request.quantity, _why_sent(trader.book, each))
            for each in trader.book.orders.values()
        ]

    def look(trader: Trader) -> None:
        at_work.extend(named(trader))

    at_work: list[tuple[str, int, str]] = []
    order(market, "one", "buy", quantity=10)
    sales: dict[int, Callable[[Trader], object]] = {
        4: ordering(market, "two", "sell", quantity=4),
        8: ordering(market, "three", "sell", quantity=6, limit_price=Decimal(102)),
        10: look,
        11: ordering(market, "four", "sell", quantity=9),
    }
    trader = market.trade(TICKS, at_tick=sales, to_end=False)
    reduced = [("buy", 10, "entry"), ("sell", 4, "reduce"), ("sell", 6, "reduce")]
    assert at_work == reduced
    # more than is held opens a short position
    assert named(trader)[3:] == [("sell", 9, "entry")]


def test_its_stop_is_watched(market: Market) -> None:
    order(market, "one", "buy", quantity=10, stop_price=Decimal(98))
    trader = market.trade([*TICKS, *(tick(at(9, 50, second), "97.5") for second in range(4))])
    assert [each.request.reason for each in exits(trader)] == [Reason.STOP]
    assert not trader.book.open_positions()


def test_a_check_denies_it_with_its_code(market: Market) -> None:
    order(market, "one", "buy", quantity=1000)
    order(market, "two", "buy", quantity=10, limit_price=Decimal("100.005"))
    market.trade(TICKS, to_end=False)
    answer = answered(market, "one")
    assert (answer.is_obeyed, answer.figures["code"]) == (False, "ORDER_AMOUNT")
    assert answer.message == "denied: ORDER_AMOUNT: amount=101000.00, max_amount=25000.00"
    assert answered(market, "two").figures["code"] == "TICK"
    assert len(market.of(events.OrderDenied)) == 2


def test_a_request_that_is_repeated_orders_nothing_twice(market: Market) -> None:
    order(market, "one", "buy", quantity=10)
    trader = market.trade(TICKS, to_end=False)
    assert answered(market, "one").message == "10 of 10 A filled at 100.00"
    order(market, "one", "buy", quantity=10)
    # without a limit of its own, it is the same one at any price
    trader = market.trade([tick(at(9, 46, second), 101) for second in range(4)], to_end=False)
    assert len(trader.book.orders) == 1
    assert answered(market, "one").message == "10 of 10 A filled at 100.00"
    order(market, "one", "sell", quantity=10)
    market.trade([tick(at(9, 47, second), 100) for second in range(4)], to_end=False)
    assert answered(market, "one").message == (
        "the id one is that of another order: buy 10 A at 101.00; leave --id out, or give a new one"
    )


@pytest.mark.parametrize(("first", "denied_code"), [("order", "TRADING_STATE"), ("resume", None)])
def test_the_loop_obeys_orders_and_requests_in_the_order_in_which_they_were_sent(
    market: Market, first: str, denied_code: str | None
) -> None:
    """A resume was obeyed before an order that had been sent to a halted account."""

    def ask(trader: Trader) -> None:
        trader.manager.set_state(TradingState.HALTED, "news", "trader")
        for name in sorted(("order", "resume"), key=lambda name: name != first):
            if name == "order":
                order(market, "one", "buy", quantity=10)
            else:
                send(market.folder, name, "over")

    trader = market.trade(TICKS, at_tick={3: ask}, to_end=False)
    assert trader.book.state is TradingState.ACTIVE
    answer = answered(market, "one")
    assert (answer.is_obeyed, answer.figures.get("code")) == (denied_code is None, denied_code)


class Dying(PaperBroker):
    """Takes the order, and the process is ended before the answer."""

    async def place(self, request: Request) -> str:
        await super().place(request)
        signals.raise_signal(signals.SIGTERM)
        return ""


def test_a_loop_that_dies_in_between_orders_nothing_twice(market: Market) -> None:
    market.broker = Dying
    order(market, "one", "buy", quantity=10)
    before = signals.signal(signals.SIGTERM, main._stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            market.trade(TICKS)
    finally:
        signals.signal(signals.SIGTERM, before)
    assert (market.folder / FOLDER / "one.taken").exists()
    market.broker = PaperBroker
    trader = market.trade([tick(at(9, 46, second), 100) for second in range(4)], to_end=False)
    assert [(each.state, each.filled_quantity) for each in trader.book.orders.values()] == [
        (State.FILLED, 10)
    ]
    assert answered(market, "one").message == "10 of 10 A filled at 100.00"


def test_an_order_that_expired_is_not_sent(market: Market) -> None:
    wanted = OrderByHand(action="buy", target="A", quantity=10)
    send(market.folder, "order", "by hand", request_id="one", order=wanted, seconds=10)

    def an_hour_later(now: datetime) -> datetime:
        return now + timedelta(hours=5)

    market.shown = an_hour_later
    market.opens, market.closes = at(9, 30) + timedelta(hours=5), at(16) + timedelta(hours=5)
    trader = market.trade(TICKS, to_end=False)
    assert trader.book.orders == {}
    assert answered(market, "one").message.startswith("not obeyed: it expired at 2026-11-25 17:00")


def test_an_order_that_rests_is_modified_and_cancelled(market: Market) -> None:
    order(market, "one", "buy", quantity=10, limit_price=Decimal("97.50"))
    trader = market.trade(
        TICKS,
        at_tick={
            3: ordering(market, "two", "modify", limit_price=Decimal("98.50"), quantity=20),
            5: ordering(market, "three", "modify", quantity=9000),
            7: ordering(market, "four", "cancel"),
        },
        to_end=False,
    )
    [placed] = trader.book.orders.values()
    assert (placed.state, placed.request.limit_price) == (State.CANCELLED, Decimal("98.50"))
    assert answered(market, "one").message == "cancelled: 0 of 20 A filled; by hand"
    assert answered(market, "two").message == "cancelled: 0 of 20 A filled; by hand"
    denied = answered(market, "three")
    assert (denied.is_obeyed, denied.figures["code"]) == (False, "ORDER_AMOUNT")
    assert answered(market, "four").message == "cancelled, 0 of 20 A filled"


def test_an_order_that_rests_is_accepted(market: Market) -> None:
    order(market, "one", "buy", quantity=10, limit_price=Decimal("97.50"))
    market.trade(TICKS, to_end=False)
    answer = answered(market, "one")
    assert (answer.is_obeyed, answer.is_final) == (True, False)
    assert answer.message == "accepted, at most 97.50: 0 of 10 A filled"


class Refusing(PaperBroker):
    """Rejects every exit while it is refusing."""

    is_refusing = True

    async def place(self, request: Request) -> str:
        if request.reason is not Reason.ENTRY and self.is_refusing:
            raise BrokerRejected("RMS: try later")
        return await super().place(request)


def test_a_person_closes_at_any_time_whatever_was_refused(market: Market) -> None:
    """The account is halted after three refusals; the next try would be in ten seconds."""
    market.broker = Refusing
    order(market, "one", "buy", quantity=10, stop_price=Decimal(98))
    falling = [tick(at(9, 50, second), "97.5") for second in range(14)]

    def accept(trader: Trader) -> None:
        assert trader.book.state is TradingState.HALTED
        trader.manager.broker.adapter.is_refusing = False  # type: ignore[attr-defined]
        order(market, "two", "close")

    trader = market.trade([*TICKS, *falling], at_tick={22: accept}, to_end=False)
    assert not trader.book.open_positions()
    [last] = [each for each in exits(trader) if each.state is State.FILLED]
    assert last.request.reason is Reason.BY_HAND
    assert last.sent_at == at(9, 50, 10)
    assert answered(market, "two").message == "closed 10 of 10 A"


def test_a_close_that_is_repeated_is_tried_at_once(market: Market) -> None:
    market.broker = Refusing
    order(market, "one", "buy", quantity=10)

    def accept(trader: Trader) -> None:
        trader.manager.broker.adapter.is_refusing = False  # type: ignore[attr-defined]
        order(market, "three", "close")

    still = [tick(at(9, 50, second), 100) for second in range(14)]
    trader = market.trade(
        [*TICKS, *still],
        at_tick={12: ordering(market, "two", "close"), 22: accept},
        to_end=False,
    )
    [last] = [each for each in exits(trader) if each.state is State.FILLED]
    assert last.sent_at == at(9, 50, 10)


def test_closing_names_the_strategy_or_takes_all(market: Market) -> None:
    order(market, "one", "buy", quantity=10)
    trader = market.trade(
        TICKS, at_tick={4: ordering(market, "two", "close", strategy="signals")}, to_end=False
    )
    assert answered(market, "two").message == "nothing of A is held by signals"
    assert len(trader.book.open_positions()) == 1


class Leg(Strategy):
    """Opens so many shares of A on one side, once; a sale waits for the purchase."""

    def __init__(self, side: Side, quantity: int) -> None:
        self.asked = (side, quantity)

    def generate_orders(self, context: Context) -> Sequence[Request]:
        if self.asked[0] is Side.SELL and not context.account.held_entries():
            return []
        return [context.entry("one", "A", *self.asked)] if context.price("A") else []


def legs(market: Market, bought: int, sold: int) -> None:
    """Let one strategy buy, and another one sell short."""
    market.others = {
        "one": lambda: Leg(Side.BUY, bought),
        "two": lambda: Leg(Side.SELL, sold),
    }


CLOSES: dict[str, Callable[[Market], object]] = {
    "close": lambda market: order(market, "all", "close"),
    "square-off": lambda market: send(market.folder, "square-off", "by hand"),
}


@pytest.mark.parametrize("close", CLOSES.values(), ids=CLOSES)
@pytest.mark.parametrize(("bought", "sold"), [(100, 100), (100, 40), (30, 100)])
def test_what_is_closed_on_both_sides_closes_each_other(
    market: Market, close: Callable[[Market], object], bought: int, sold: int
) -> None:
    """A flat account sold what one of its strategies held and bought it back for the other."""
    legs(market, bought, sold)
    ticks = [*TICKS[:6], *(tick(at(9, 46, second), 101) for second in range(12))]
    trader = market.trade(ticks, at_tick={8: lambda _: close(market)}, to_end=False)
    book, net = trader.book, bought - sold
    assert not book.held_entries() and not book.open_positions()
    sent = [each.request for each in exits(trader) if each.sent_at]
    assert sum(request.side.sign * request.quantity for request in sent) == -net
    assert len(sent) == (net != 0)
    gained = {name: held.realized_amount for name, held in book.strategy_positions()}
    assert gained == {"one": bought, "two": -sold}
    assert sum(gained.values()) == sum(held.realized_amount for held in book.positions.values())
    trips = [(trip.quantity, sum(n for _, n in trip.closed)) for trip in book.round_trips()]
    assert sorted(trips) == sorted([(bought, bought), (sold, sold)])
    again = rebuild_book(Decimal(100_000), read_journal(market.folder), lambda _: None)
    assert again.strategy_positions() == book.strategy_positions()
    if close is CLOSES["close"]:
        message = f"closed {bought + sold} of {bought + sold} A"
        assert answered(market, "all").message == message


def test_a_leg_that_is_closed_names_what_the_others_hold(market: Market) -> None:
    legs(market, 100, 100)
    close = ordering(market, "one", "close", strategy="one")
    trader = market.trade(TICKS, at_tick={8: close}, to_end=False)
    message = "closed 100 of 100 A; A is still held: -100 of two"
    assert answered(market, "one").message == message
    assert [held.quantity for held in trader.book.open_positions()] == [-100]


def test_what_no_order_opened_closes_what_offsets_it(market: Market) -> None:
    """The account was flat, and a close of its one entry opened a position."""
    legs(market, 10, 1)
    stray = fill(9, "100", order_id="nobody", side=Side.SELL)

    def contradict(trader: Trader) -> None:
        trader.manager.record(events.FillBooked(at=clock.now(), fill=stray))

    trader = market.trade(
        TICKS, at_tick={6: contradict, 8: ordering(market, "all", "close")}, to_end=False
    )
    assert not trader.book.legs() and not trader.book.unowned()
    assert [each for each in exits(trader) if each.sent_at] == []


def test_legs_that_net_to_zero_are_named(market: Market) -> None:
    legs(market, 100, 100)
    market.instruments = {"A": instrument(), "B": instrument("B")}
    ticks = [*TICKS, *(tick(at(9, 46, second), 100, "B") for second in range(60))]
    ticks += [tick(at(9, minute), 100, "B") for minute in range(47, 60)]
    answers: list[Answer] = []

    def halt(trader: Trader) -> None:
        send(market.folder, "halt", "by hand", request_id="halt")

    trader = market.trade(ticks, at_tick={12: halt}, to_end=False)
    answers.append(answered(market, "halt"))
    named = "A +100 of one, A -100 of two"
    assert answers[0].message.endswith(f"; held: {named}")
    assert summary(trader.book).endswith(f" held: {named}")
    assert [event.symbol for event in market.of(events.PriceSilent)] == ["A"]
    described = SessionFolder(
        account="test",
        session_date=DAY,
        calendar="XNYS",
        zone_name=ZONE.key,
        capital_amount=Decimal(100_000),
    )
    with pytest.raises(PositionsLeft, match=f"intraday positions open: {re.escape(named)}"):
        _refuse_bad_end(ending(trader), trader.book, described)


def test_a_failure_hides_nothing_that_is_left_open(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    """The feed failed for good, and its error alone was shown at the close."""
    order(market, "one", "buy", quantity=10)
    trader = market.trade(TICKS, to_end=False)
    failure = FeedFailed("refused with HTTP 403")
    _refuse_left(failure, trader)
    assert "nothing watches what is left: positions open: A +10;" in capsys.readouterr().err
    trader.end_session()
    with pytest.raises(PositionsLeft) as left:
        _refuse_left(failure, trader)
    assert str(left.value).endswith(
        " ended with intraday positions open: A +10; refused with HTTP 403"
    )


def test_what_no_order_opened_is_closed_once_its_trades_are_known_and_for_no_strategy(
    market: Market,
) -> None:
    def trade(quantity: int, **changed: Any) -> Callable[[Trader], None]:
        stray = fill(quantity, "100", order_id="nobody", **changed)
        return lambda trader: trader.manager.record(events.FillBooked(at=clock.now(), fill=stray))

    def know(trader: Trader) -> None:
        none = events.ProvisionalReduced(at=clock.now(), order_id="nobody", quantity=0)
        trader.manager.record(none)
        trade(10)(trader)

    def close(name: str, **terms: Any) -> Callable[[Trader], None]:
        return ordering(market, name, "close", **terms)

    key = provisional_key("nobody")
    trader = market.trade(
        TICKS,
        at_tick={
            1: trade(10, fill_key=key, is_provisional=True),
            2: close("early"),
            3: know,
            4: close("of-one", strategy="signals"),
            5: close("all"),
            8: trade(5),
            9: close("again"),
        },
        to_end=False,
    )
    what = "no order of this account opened A"
    assert [answered(market, name).message for name in ("early", "of-one", "all", "again")] == [
        f"{what}, and its trades are not reported yet: ask again",
        f"{what}; to close it, leave --strategy out",
        "closed 10 of 10 A",
        "closed 5 of 5 A",
    ]
    taken = [event.request for event in market.of(events.PositionTakenOver)]
    assert [request.quantity for request in taken] == [10, 5]
    assert len({request.order_id for request in taken}) == 2
    assert not trader.book.open_positions() and not trader.book.unowned()


def test_an_order_is_not_sold_from_what_a_strategy_holds(market: Market) -> None:
    market.signals = [signal()]
    market.limits = with_limits(product=Product.CNC)
    trader = market.trade(
        TICKS, at_tick={5: ordering(market, "one", "sell", quantity=10)}, to_end=False
    )
    answer = answered(market, "one")
    assert answer.figures["code"] == "SHORT"
    assert answer.message.endswith(
        "others hold it: +198 of crp.standard; `./bourse order close A` closes that"
    )
    assert trader.book.quantity("A", Product.CNC) > 10


@pytest.mark.parametrize(
    ("action", "target", "message"),
    [
        ("buy", "a", "there is no symbol or order 'a'; did you mean 'A'?"),
        ("close", "A", "nothing of A is held"),
        ("close", "ZZZ", "there is no symbol or order 'ZZZ'"),
        ("cancel", "A", "A has no open order that opens a position"),
        ("modify", "QWERTY", "there is no symbol or order 'QWERTY'"),
        ("hedge", "A", "there is no order to 'hedge'"),
    ],
)
def test_what_cannot_be_done_is_said(
    market: Market, action: str, target: str, message: str
) -> None:
    order(market, "one", action, target, quantity=1)
    trader = market.trade(TICKS[:4], to_end=False)
    answer = answered(market, "one")
    assert (answer.is_obeyed, answer.message) == (False, message)
    assert trader.book.orders == {}


def test_an_error_of_ours_is_answered(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("duckbourse.trading.by_hand.protected", fail)
    order(market, "one", "buy", quantity=1)
    trader = market.trade(TICKS[:4], to_end=False)
    assert answered(market, "one").message == "it failed: ZeroDivisionError()"
    assert trader.book.state is TradingState.ACTIVE


def slow(market: Market) -> None:
    """Let four entries a minute have their turn, and order six."""
    market.limits = with_limits(max_orders_per_minute=5, max_orders_per_second=5)
    for number in range(6):
        order(market, f"buy-{number}", "buy", quantity=2)


MINUTES = [tick(at(9, 45, 5 * count), 100) for count in range(70)]


@pytest.mark.parametrize("action", ["cancel", "close"])
def test_what_waits_for_its_turn_is_cancelled_like_what_is_open(
    market: Market, action: str
) -> None:
    slow(market)
    trader = market.trade(MINUTES, at_tick={3: ordering(market, "two", action)}, to_end=False)
    assert len(market.of(events.OrderIntended)) == (4 if action == "cancel" else 8)
    assert [denied.code for denied in market.of(events.OrderDenied)] == ["CANCELLED"] * 2
    assert len(market.of(events.ExitTriggered)) == (0 if action == "cancel" else 4)
    assert answered(market, "buy-5").message.startswith("denied: CANCELLED")
    held, message = (
        (8, "cancelled, 0 of 2 A filled; cancelled, 0 of 2 A filled")
        if action == "cancel"
        else (0, "closed 8 of 8 A")
    )
    assert trader.book.quantity("A", Product.MIS) == held
    assert answered(market, "two").message == message


def test_what_waits_for_its_turn_is_modified(market: Market) -> None:
    slow(market)

    def modify(trader: Trader) -> None:
        first = next(iter(trader.manager.waiting_entries))
        order(market, "two", "modify", first, quantity=3, limit_price=Decimal("100.50"))

    trader = market.trade(MINUTES, at_tick={3: modify}, to_end=False)
    sent = [event.request for event in market.of(events.OrderIntended)]
    assert [request.quantity for request in sent] == [2, 2, 2, 2, 3, 2]
    assert sent[4].limit_price == Decimal("100.50")
    assert answered(market, "two").message == "3 of 3 A filled at 100.00"
    assert trader.book.quantity("A", Product.MIS) == 13


def test_what_waits_for_its_turn_is_checked_with_its_new_terms(market: Market) -> None:
    slow(market)

    def modify(trader: Trader) -> None:
        first = next(iter(trader.manager.waiting_entries))
        order(market, "two", "modify", first, quantity=9000)

    trader = market.trade(MINUTES, at_tick={3: modify}, to_end=False)
    answer = answered(market, "two")
    assert (answer.is_obeyed, answer.figures["code"]) == (False, "ORDER_AMOUNT")
    assert trader.book.quantity("A", Product.MIS) == 12, "it is sent as it was"


def test_what_waits_as_the_session_ends_is_denied_and_answered(market: Market) -> None:
    slow(market)
    trader = market.trade(MINUTES[:6], at_tick={6: Trader.end}, to_end=False)
    assert trader.book.has_ended
    assert [denied.code for denied in market.of(events.OrderDenied)] == ["CANCELLED"] * 2
    answer = answered(market, "buy-5")
    assert (answer.is_obeyed, answer.is_final) == (False, True)
    assert answer.message.startswith("denied: CANCELLED")


def test_what_waited_as_the_loop_was_killed_is_not_sent_and_answered(market: Market) -> None:
    slow(market)
    order(market, "rests", "buy", quantity=2, limit_price=LIMIT)
    market.trade(MINUTES[:2], to_end=False)
    order(market, "gone", "cancel", "rests")
    prepare(market.folder)
    market.trade([tick(at(9, 55), 100)], to_end=False)
    assert len(market.of(events.OrderIntended)) == 4
    assert [denied.code for denied in market.of(events.OrderDenied)] == ["CANCELLED"] * 3
    answer = answered(market, "buy-5")
    assert (answer.is_obeyed, answer.is_final) == (False, True)
    assert answer.message == "denied: CANCELLED: the loop was started again before its turn"


def test_what_waited_and_is_not_in_the_journal_is_answered_as_not_sent(market: Market) -> None:
    """It cannot be found by its id, which nobody else has."""
    slow(market)
    market.trade(MINUTES[:2], to_end=False)
    recorded = read_journal(market.folder)
    for path in (*market.folder.glob(f"{FILE}*"), market.folder / HEAD):
        path.unlink()
    journal, _ = open_journal(market.folder)
    for event in recorded:
        if not isinstance(event, events.OrderWaiting):
            journal.append(event)
    journal.close()
    market.trade([tick(at(9, 45, 10), 100)], to_end=False)
    answer = answered(market, "buy-5")
    assert (answer.is_obeyed, answer.is_final) == (False, True)
    assert answer.message == "not sent: its loop ended before it had its turn"


def test_what_is_closed_as_its_order_is_open_is_cancelled_by_the_next_loop_too(
    market: Market,
) -> None:
    class Never(PaperBroker):
        async def cancel(self, broker_order_id: str) -> None:
            raise BrokerRejected("RMS: try later")

    market.broker = Never
    order(market, "one", "buy", quantity=10, limit_price=LIMIT)
    trader = market.trade(TICKS, at_tick={3: ordering(market, "two", "close")}, to_end=False)
    assert [each.state for each in trader.book.orders.values()] == [State.OPEN]
    market.broker = PaperBroker
    later = [tick(at(9, 46, second), 100) for second in range(4)]
    trader = market.trade(later, to_end=False)
    assert [each.state for each in trader.book.orders.values()] == [State.CANCELLED]


def test_an_order_that_rests_as_the_loop_is_killed_is_answered_by_the_next(market: Market) -> None:
    order(market, "one", "buy", quantity=10, limit_price=LIMIT)
    market.trade(TICKS[:4], to_end=False)
    prepare(market.folder)
    market.trade([tick(at(9, 50, second), 97) for second in range(4)], to_end=False)
    assert answered(market, "one").message == "10 of 10 A filled at 97.00"


def test_an_order_by_hand_does_not_wait_for_ever(market: Market) -> None:
    slow(market)
    market.limits = with_limits(max_orders_per_minute=2, max_orders_per_second=5)
    market.trade(MINUTES, to_end=False)
    sent = [event.at for event in market.of(events.OrderIntended)]
    assert sent == [at(9, 45 + minute) for minute in range(5)]
    [denied] = market.of(events.OrderDenied)
    assert (denied.code, denied.at) == ("EXPIRED", at(9, 50))


class Crossing(PaperBroker):
    """Fills an order while its cancel is on the way."""

    async def cancel(self, broker_order_id: str) -> None:
        now = clock.now() + timedelta(seconds=1)
        self.on_tick(Tick("A", now, Decimal("97.4"), 100_000, True))
        raise BrokerRejected("already traded")


@pytest.mark.parametrize("who", ["a person", "a strategy"])
def test_what_fills_before_its_cancel_is_closed_too(market: Market, who: str) -> None:
    market.broker = Crossing
    do: dict[int, Callable[[Trader], object]] = {}
    if who == "a person":
        order(market, "one", "buy", quantity=20, limit_price=Decimal("97.50"))
        do[4] = ordering(market, "two", "close")
    else:
        market.others = {
            "one": lambda: At(
                (at(9, 45), lambda seen: seen.entry("a", "A", Side.BUY, 20, limit_price=LIMIT)),
                (at(9, 45, 4), lambda _: Close("A")),
            )
        }
    trader = market.trade(TICKS, at_tick=do, to_end=False)
    assert trader.book.quantity("A", Product.MIS) == 0
    assert [(each.state, each.filled_quantity) for each in exits(trader)] == [(State.FILLED, 20)]
    if do:
        answer = answered(market, "two")
        assert (answer.message, answer.is_final) == ("closed 20 of 20 A", True)


class CrossingUpward(PaperBroker):
    """Fills a sale while its cancel is on the way."""

    async def cancel(self, broker_order_id: str) -> None:
        now = clock.now() + timedelta(seconds=1)
        self.on_tick(Tick("A", now, Decimal("102.6"), 100_000, True))
        raise BrokerRejected("already traded")


def test_a_sale_that_fills_before_its_cancel_is_no_purchase(market: Market) -> None:
    market.broker = CrossingUpward
    order(market, "one", "buy", quantity=20)
    do: dict[int, Callable[[Trader], object]] = {
        3: ordering(market, "less", "sell", quantity=8, limit_price=Decimal("102.50")),
        5: ordering(market, "two", "close"),
    }
    trader = market.trade(TICKS, at_tick=do, to_end=False)
    assert trader.book.quantity("A", Product.MIS) == 0
    assert answered(market, "less").message == "8 of 8 A filled at 102.60"
    assert answered(market, "two").message == "closed 20 of 20 A"


class Refuses(PaperBroker):
    """Refuses two cancels of each order."""

    count = 0

    async def cancel(self, broker_order_id: str) -> None:
        self.count += 1
        if self.count < 3:
            raise BrokerRejected("RMS: try later")
        await super().cancel(broker_order_id)


def test_a_cancel_that_was_refused_is_asked_again_until_the_order_has_ended(
    market: Market,
) -> None:
    market.broker = Refuses
    order(market, "one", "buy", quantity=10, limit_price=LIMIT)
    trader = market.trade(TICKS, at_tick={3: ordering(market, "two", "cancel")}, to_end=False)
    assert [each.state for each in trader.book.orders.values()] == [State.CANCELLED]
    assert [event.at for event in market.of(events.CancelRequested)] == [
        at(9, 45, second) for second in (3, 4, 5)
    ]
    assert answered(market, "two").message == "cancelled, 0 of 10 A filled"


OTHER_ORDERS: dict[str, dict[str, Any]] = {
    "quantity": {"quantity": 11},
    "limit": {"limit_price": Decimal(99)},
    "stop": {"stop_price": Decimal(97)},
    "no stop": {"stop_price": None},
    "target": {"target_price": Decimal(120)},
    "trail": {"trail_distance": Decimal(3)},
}


@pytest.mark.parametrize("changed", OTHER_ORDERS.values(), ids=OTHER_ORDERS)
def test_another_order_under_a_used_id_is_refused(market: Market, changed: dict[str, Any]) -> None:
    terms: dict[str, Any] = {"quantity": 10, "limit_price": LIMIT, "stop_price": Decimal(90)}
    order(market, "one", "buy", **terms)
    again = [tick(at(9, 46, second), 100) for second in range(8)]
    trader = market.trade(
        [*TICKS, *again], at_tick={8: ordering(market, "one", "buy", **terms)}, to_end=False
    )
    assert answered(market, "one").is_obeyed
    order(market, "one", "buy", **(terms | changed))
    trader = market.trade([tick(at(9, 47, second), 100) for second in range(4)], to_end=False)
    answer = answered(market, "one")
    assert not answer.is_obeyed
    assert answer.message == (
        "the id one is that of another order: buy 10 A at 97.50, stop 90.00; leave --id out, or"
        " give a new one"
    )
    assert len(trader.book.orders) == 1


CHANGES: dict[str, dict[str, Decimal | int]] = {
    "stop": {"stop_price": Decimal(91)},
    "limit": {"limit_price": Decimal(98)},
    "quantity": {"quantity": 12},
}


@pytest.mark.parametrize(
    ("change_of", "waits"),
    # the exits of what waits are moved once it is sent
    [*((name, False) for name in CHANGES), ("limit", True), ("quantity", True)],
)
def test_an_order_that_was_changed_is_repeated_as_it_was_asked(
    market: Market, change_of: str, waits: bool
) -> None:
    """Another order under its id was answered as done, or the same one refused for ever."""
    changed = CHANGES[change_of]
    if waits:
        market.limits = with_limits(max_orders_per_minute=2, max_orders_per_second=2)
        order(market, "before", "buy", quantity=1)
    terms: dict[str, Any] = {"quantity": 10, "limit_price": LIMIT, "stop_price": Decimal(90)}
    order(market, "one", "buy", **terms)

    def change(trader: Trader) -> None:
        [known] = trader.manager.open_entries
        assert (known.state is State.NEW) == waits
        order(market, "move", "modify", known.request.order_id, **changed)

    def repeat(trader: Trader) -> None:
        order(market, "one", "buy", **terms)

    market.trade(TICKS, at_tick={7: change, 9: repeat}, to_end=False)
    assert answered(market, "move").is_obeyed
    assert answered(market, "one").is_obeyed
    order(market, "one", "buy", **(terms | {"quantity": 50}))
    market.trade([tick(at(9, 47, second), 100) for second in range(4)], to_end=False)
    assert not answered(market, "one").is_obeyed
    # what waited as its loop ended is not sent late
    sent = [event.request.quantity for event in market.of(events.OrderIntended)]
    assert sent == ([1] if waits else [10])


def test_a_stop_is_not_moved_by_a_command_that_is_refused(market: Market) -> None:
    order(market, "one", "buy", quantity=10, stop_price=Decimal(90))
    moved = moving(market, stop_price=Decimal(99), limit_price=Decimal(97))
    trader = market.trade(TICKS, at_tick=moved, to_end=False)
    assert not answered(market, "move").is_obeyed, "nothing is open of it"
    assert not market.of(events.ExitsChanged)
    assert trader.book.open_positions()


def test_exits_stay_when_the_terms_beside_them_are_denied(market: Market) -> None:
    order(market, "one", "buy", quantity=10, limit_price=LIMIT, stop_price=Decimal(90))
    moved = moving(market, stop_price=Decimal(91), limit_price=Decimal(1000))
    market.trade(TICKS, at_tick=moved, to_end=False)
    assert "PRICE_COLLAR" in answered(market, "move").message
    assert not market.of(events.ExitsChanged) and not market.of(events.ModifyRequested)


def moving(market: Market, **terms: Any) -> dict[int, Callable[[Trader], object]]:
    return {8: ordering(market, "move", "modify", **terms)}


MOVES: dict[str, tuple[dict[str, str], list[str], Reason, str]] = {
    "stop": ({"stop_price": "99"}, ["98.9"], Reason.STOP, "stop 99.00, target 110.00"),
    "target": ({"target_price": "103"}, ["103"], Reason.TARGET, "stop 90.00, target 103.00"),
    "trail": (
        {"trail_distance": "2"},
        ["104", "102"],
        Reason.TRAILING_STOP,
        "stop 90.00, target 110.00, trail 2.00",
    ),
}


@pytest.mark.parametrize(("terms", "path", "reason", "said"), MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("is_killed", [False, True])
def test_the_exits_of_a_position_are_moved(
    market: Market,
    terms: dict[str, str],
    path: list[str],
    reason: Reason,
    said: str,
    is_killed: bool,
) -> None:
    """Also for a loop that is killed and started again."""
    order(market, "one", "buy", quantity=10, stop_price=Decimal(90), target_price=Decimal(110))
    wanted = {name: Decimal(price) for name, price in terms.items()}
    later = [
        tick(at(9, 50 + minute, second), price)
        for minute, price in enumerate(path)
        for second in range(4)
    ]
    first = TICKS if is_killed else [*TICKS, *later]
    trader = market.trade(first, at_tick=moving(market, **wanted), to_end=False)
    answer = answered(market, "move")
    assert (answer.is_obeyed, answer.message) == (True, f"A: {said}")
    if is_killed:
        assert trader.book.open_positions()
        trader = market.trade(later, to_end=False)
    assert [(each.request.reason, each.state) for each in exits(trader)] == [(reason, State.FILLED)]


def test_a_trail_that_is_given_later_begins_with_the_price_of_now(market: Market) -> None:
    order(market, "one", "buy", quantity=10)
    fallen = [tick(at(9, 46, second), 95) for second in range(4)]
    trader = market.trade(
        [*TICKS, *fallen],
        at_tick={14: ordering(market, "move", "modify", trail_distance=Decimal(2))},
        to_end=False,
    )
    assert answered(market, "move").message == "A: trail 2.00"
    assert not exits(trader)
    trader = market.trade([tick(at(9, 47, second), 93) for second in range(4)], to_end=False)
    assert [each.request.reason for each in exits(trader)] == [Reason.TRAILING_STOP]


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_exit_is_not_moved_to_where_it_would_be_due(market: Market, side: str) -> None:
    sign = 1 if side == "buy" else -1
    order(market, "one", side, quantity=10)
    trader = market.trade(
        TICKS, at_tick=moving(market, stop_price=Decimal(100) + sign), to_end=False
    )
    answer = answered(market, "move")
    assert (answer.is_obeyed, answer.figures["code"]) == (False, "EXITS")
    assert not market.of(events.ExitsChanged) and not exits(trader)
    order(market, "two", side, quantity=10, target_price=Decimal(100) - sign)
    market.trade([tick(at(9, 46, second), 100) for second in range(4)], to_end=False)
    assert answered(market, "two").figures["code"] == "EXITS"


def test_of_several_entries_one_is_named(market: Market) -> None:
    order(market, "one", "buy", quantity=10)
    order(market, "two", "buy", quantity=20)
    trader = market.trade(TICKS, at_tick=moving(market, stop_price=Decimal(99)), to_end=False)
    answer = answered(market, "move")
    assert not answer.is_obeyed and "name one by its id" in answer.message
    [first, second] = trader.book.held_entries()
    assert f"{second.request.order_id} (buy 20 A at 101.00, of by_hand)" in answer.message
    order(market, "id", "modify", first.request.order_id, stop_price=Decimal(99))
    trader = market.trade([tick(at(9, 46, second), 100) for second in range(4)], to_end=False)
    assert answered(market, "id").message == "A: stop 99.00"
    [first, second] = trader.book.held_entries()
    assert (first.request.exits, second.request.exits) == (Exits(stop_price=Decimal(99)), None)


@pytest.mark.parametrize(
    ("target", "message"), [("A", "nothing of A is held or on order"), ("Q", "there is no symbol")]
)
def test_nothing_is_moved_where_nothing_is_held(market: Market, target: str, message: str) -> None:
    order(market, "one", "modify", target, stop_price=Decimal(99))
    market.trade(TICKS[:4], to_end=False)
    answer = answered(market, "one")
    assert not answer.is_obeyed and message in answer.message


def test_a_loop_that_is_stopped_names_what_nothing_watches(market: Market) -> None:
    """Three entries at work at a broker, none of them filled, were not named."""
    trader = market.trade(TICKS, to_end=False)
    assert unwatched(trader) == ""
    order(market, "one", "buy", quantity=10, limit_price=LIMIT)
    later = [tick(at(9, 46, second), 100) for second in range(4)]
    trader = market.trade(later, to_end=False)
    assert unwatched(trader) == "orders at work: A +10"
    order(market, "two", "buy", quantity=5, stop_price=Decimal(90))
    later = [tick(at(9, 47, second), 100) for second in range(4)]
    trader = market.trade(later, to_end=False)
    assert unwatched(trader) == "positions open: A +5; orders at work: A +10"
    able = replace(trader.manager.broker.capabilities, can_rest_stops=True)
    trader.manager.broker.adapter.capabilities = able  # type: ignore[misc]
    assert unwatched(trader).endswith("; no stop at the broker for: A of by_hand")


@pytest.mark.parametrize("error", [OSError("full"), ValueError("a price")])
def test_last_prices_that_cannot_be_written_stop_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever was no OSError ended the loop with a position open, for a file that is shown."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(last_prices, "write", fail)
    order(market, "one", "buy", quantity=10, stop_price=Decimal(98))
    ticks = [*TICKS, *(tick(at(9, 50, second), "97.5") for second in range(4))]
    with structlog.testing.capture_logs() as logged:
        trader = market.trade(
            ticks, at_tick={each: Trader.write_prices for each in range(3, 9)}, to_end=False
        )
    assert [each.request.reason for each in exits(trader)] == [Reason.STOP]
    assert trader.book.state is TradingState.ACTIVE
    assert [each["event"] for each in logged].count("last prices not written") <= 1


def test_commands_beside_the_loop_know_the_last_prices(market: Market) -> None:
    order(market, "one", "buy", quantity=10, trail_distance=Decimal(3), target_price=Decimal(120))
    risen = [tick(at(9, 46, second), 102) for second in range(4)]
    trader = market.trade([*TICKS, *risen], to_end=False)
    trader.write_prices()
    prices = last_prices.read(market.folder, trader.publication.session_date)
    assert prices == {"A": (Decimal(102), at(9, 46, 3))}
    assert last_prices.read(market.folder, date(2026, 11, 26)) == {}
    [position] = trader.book.open_positions()
    figures = _open_figures(trader.book, "by_hand", position, prices, ZONE)
    assert figures == {
        "last_price": 102,
        "last_at": "09:46:03",
        "unrealized_amount": 20,
        "stop_price": 99,
        "target_price": 120,
    }
    # and say when they do not
    unknown = _open_figures(trader.book, "by_hand", position, {}, ZONE)
    assert (unknown["last_price"], unknown["unrealized_amount"]) == (None, None)


def test_a_replay_sends_nothing_to_a_broker_that_is_not_simulated(market: Market) -> None:
    class Real(PaperBroker):
        capabilities = replace(PaperBroker.capabilities, is_simulated=False)

    market.broker = Real
    with pytest.raises(ConfigurationError, match="is not simulated, and would get orders"):
        market.trade(TICKS)


def test_the_summary_has_each_entry_with_what_closed_it(market: Market) -> None:
    """Its figures add up to what the account gained; what only closes is no entry."""
    order(market, "one", "buy", quantity=10)
    later = [
        tick(at(9, 46 + minute, second), 100 + minute) for minute in range(4) for second in range(4)
    ]
    trader = market.trade(
        [*TICKS, *later],
        at_tick={
            13: ordering(market, "two", "buy", quantity=5),
            17: ordering(market, "three", "sell", quantity=12),
            21: ordering(market, "four", "sell", quantity=9),
        },
        to_end=False,
    )
    rows = round_trips(trader)
    assert [(row["side"], row["quantity"], row["closed"], row["exit"]) for row in rows] == [
        ("buy", 10, 10, "order"),
        ("buy", 5, 5, "order"),
        ("sell", 6, 0, None),
    ]
    gained = sum(row["net_pnl_amount"] for row in rows if row["closed"])
    [short] = trader.book.open_positions()
    last = trader.prices["A"][0]
    net = trader.book.equity_amount(trader.prices) - trader.book.session_start_amount
    assert gained == net - short.unrealized_amount(last)
    assert (rows[2]["exit_price"], rows[2]["net_pnl_amount"]) == (None, None)
    assert ending(trader)["entries"] == 3


def test_what_only_closes_has_no_exits(market: Market) -> None:
    order(market, "one", "buy", quantity=10)
    sell = {"quantity": 10, "stop_price": Decimal(105)}
    trader = market.trade(
        TICKS,
        at_tick={
            6: ordering(market, "two", "sell", **sell),
            9: ordering(market, "three", "sell", **(sell | {"quantity": 15})),
        },
        to_end=False,
    )
    assert "it only closes what was opened by hand of A" in answered(market, "two").message
    opens = "10 close what is held, and 5 open a short position"
    assert answered(market, "three").message == f"15 of 15 A filled at 100.00; {opens}"
    assert trader.book.quantity("A", Product.MIS) == -5


@pytest.mark.parametrize("terms", [{"target_price": "1e25"}, {"stop_price": "-1e25"}])
def test_an_exit_that_no_tick_can_reach_is_not_moved(market: Market, terms: dict[str, str]) -> None:
    """It was in the journal before its answer failed."""
    order(market, "one", "buy", quantity=10, target_price=Decimal(120))
    wanted = {name: Decimal(price) for name, price in terms.items()}
    trader = market.trade(TICKS, at_tick=moving(market, **wanted), to_end=False)
    answer = answered(market, "move")
    assert (answer.is_obeyed, answer.figures["code"]) == (False, "PRICE")
    assert not market.of(events.ExitsChanged)
    [entry] = trader.book.held_entries()
    assert entry.request.exits == Exits(target_price=Decimal(120))


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(
    "terms",
    [
        {name: value}
        for name in ("quantity", "limit_price", "stop_price", "target_price", "trail_distance")
        for value in ((0, -5) if name == "quantity" else (Decimal(0), Decimal(-5), Decimal("sNaN")))
    ],
    ids=str,
)
def test_a_number_that_no_order_has_is_refused_and_never_left_out(
    market: Market, side: str, terms: dict[str, Any]
) -> None:
    """A quantity of 0 was answered as accepted, and changed nothing."""
    order(market, "one", "buy", quantity=10, limit_price=Decimal("99.50"))
    trader = market.trade(
        TICKS,
        at_tick={
            2: ordering(market, "two", "modify", **terms),
            3: ordering(market, "three", side, **({"quantity": 1} | terms)),
        },
        to_end=False,
    )
    for name in ("two", "three"):
        assert "is not possible: give one above 0" in answered(market, name).message
    assert len(trader.book.orders) == 1


def test_an_order_is_known_by_the_id_of_its_request(market: Market) -> None:
    order(market, "rest1", "buy", quantity=10, limit_price=Decimal(97))
    trader = market.trade(
        TICKS,
        at_tick={
            2: lambda _: order(market, "two", "modify", "rest1", limit_price=Decimal("97.10")),
            4: lambda _: order(market, "three", "cancel", "rest1"),
        },
        to_end=False,
    )
    assert answered(market, "three").message == "cancelled, 0 of 10 A filled"
    [only] = trader.book.orders.values()
    assert (only.state, only.request.limit_price) == (State.CANCELLED, Decimal("97.10"))


def test_a_sale_of_more_than_is_held_says_that_the_rest_is_short(market: Market) -> None:
    """Nothing said so, and the short had no stop."""
    order(market, "one", "buy", quantity=6)
    market.trade(TICKS, at_tick={5: ordering(market, "two", "sell", quantity=10)}, to_end=False)
    assert answered(market, "one").message == "6 of 6 A filled at 100.00"
    said = "; 6 close what is held, and 4 open a short position without a stop"
    assert answered(market, "two").message.endswith(said)
    [short] = market.of(events.ShortByHand)
    assert (short.symbol, short.quantity, short.has_exits) == ("A", 4, False)


@pytest.mark.parametrize("stop", [None, Decimal(105)])
def test_a_sale_of_what_was_not_bought_by_hand_says_that_it_is_short(
    market: Market, stop: Decimal | None
) -> None:
    """A strategy held the shares, and the order sold others."""
    market.signals = [signal()]
    sell = ordering(market, "two", "sell", quantity=10, stop_price=stop)
    trader = market.trade(TICKS, at_tick={5: sell}, to_end=False)
    assert trader.book.quantity("A", Product.MIS) > 0
    bare = " without a stop" if stop is None else ""
    said = f"; nothing was held by hand, so it opens a short position{bare}"
    assert answered(market, "two").message.endswith(said)
    [short] = market.of(events.ShortByHand)
    assert (short.quantity, short.has_exits) == (10, stop is not None)


def test_a_short_position_by_hand_is_announced_once(market: Market) -> None:
    """What is sold of it later, in parts, and what closes it, opens nothing."""
    order(market, "one", "sell", quantity=10)
    market.trade(
        TICKS,
        at_tick={
            3: ordering(market, "two", "sell", quantity=5),
            5: ordering(market, "three", "buy", quantity=20),
            7: ordering(market, "four", "sell", quantity=5),
        },
        to_end=False,
    )
    assert [(each.quantity) for each in market.of(events.ShortByHand)] == [10]
