"""The paper broker, tick by tick by hand; its order book survives it; a seed is reproducible."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from decimal import Decimal
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import FILE, FillRules, PaperBroker
from duckbourse.errors import BrokerRejected
from duckbourse.orders.broker import Holding, OrderReport, TradeReport, Update
from duckbourse.orders.charges import Charges
from duckbourse.orders.events import CashKind, CashMoved
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import OrderType, Product, Reason, Side, Validity
from duckbourse.streaming.feed import Tick
from tests.support.factories import CAPITAL, NOW, request

RULES = FillRules(latency_ms=100, slippage_bps=Decimal(10), max_participation_pct=Decimal(10))
STEP = Decimal("0.05")


@pytest.fixture(autouse=True)
def at_now() -> Iterator[None]:
    with clock.driven_by(lambda: NOW):
        yield


BrokerAt = Callable[..., PaperBroker]


@pytest.fixture
def broker_at() -> Iterator[BrokerAt]:
    """Open brokers on folders, and close them at the end."""
    with ExitStack() as opened:

        def at(folder: Path, rules: FillRules = RULES) -> PaperBroker:
            broker = PaperBroker(folder, {"A": STEP}, CAPITAL, rules)
            opened.callback(broker.close)
            return broker

        yield at


def tick(price: str, quantity: int = 1_000, after_ms: int = 100) -> Tick:
    return Tick("A", NOW + timedelta(milliseconds=after_ms), Decimal(price), quantity)


def placed(broker: PaperBroker, **changed: Any) -> str:
    return asyncio.run(broker.place(request(**changed)))


def report(broker: PaperBroker, broker_order_id: str) -> OrderReport:
    (found,) = [
        one for one in asyncio.run(broker.orders()) if one.broker_order_id == broker_order_id
    ]
    return found


def prices(broker: PaperBroker) -> list[tuple[int, Decimal]]:
    return [(one.fill.quantity, one.fill.price) for one in asyncio.run(broker.trades())]


def test_an_order_is_inactive_before_its_latency(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    order = placed(broker)
    broker.on_tick(tick("100", after_ms=99))
    assert prices(broker) == []
    broker.on_tick(tick("100"))
    # 0.1% beyond 100 is 100.10, on a tick
    assert prices(broker) == [(10, Decimal("100.10"))]
    assert report(broker, order).state is State.FILLED


@pytest.mark.parametrize(
    ("side", "price", "filled_at"),
    [(Side.BUY, "100.00", "100.10"), (Side.SELL, "100.00", "99.90"), (Side.BUY, "99.95", "100.05")],
)
def test_slippage_is_against_us_and_on_a_tick(
    broker_at: BrokerAt, tmp_path: Path, side: Side, price: str, filled_at: str
) -> None:
    broker = broker_at(tmp_path)
    placed(broker, side=side)
    broker.on_tick(tick(price))
    assert prices(broker) == [(10, Decimal(filled_at))]


def test_a_fill_is_never_beyond_the_protection_price(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    placed(broker, limit_price=Decimal("100.05"))
    broker.on_tick(tick("100.10"))
    assert prices(broker) == []
    broker.on_tick(tick("100.00"))
    assert prices(broker) == [(10, Decimal("100.05"))]


def test_a_limit_order_waits_in_the_queue(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    placed(broker, order_type=OrderType.LIMIT, limit_price=Decimal(100))
    broker.on_tick(tick("100"))
    assert prices(broker) == []
    broker.on_tick(tick("99.95"))
    assert prices(broker) == [(10, Decimal(100))]


def test_no_tick_fills_more_than_the_participation_limit(
    broker_at: BrokerAt, tmp_path: Path
) -> None:
    broker = broker_at(tmp_path)
    first, second = placed(broker, quantity=150), placed(broker, quantity=80)
    broker.on_tick(tick("100", 1_000))
    assert (report(broker, first).state, report(broker, first).filled_quantity) == (
        State.PARTIAL,
        100,
    )
    broker.on_tick(tick("100", 1_000))
    # the first order takes its last fifty, which leaves fifty of the tick for the second
    assert report(broker, first).state is State.FILLED
    assert report(broker, second).filled_quantity == 50
    broker.on_tick(tick("100", 9))
    assert report(broker, second).filled_quantity == 50


def test_a_tick_of_a_negative_quantity_fills_nothing(broker_at: BrokerAt, tmp_path: Path) -> None:
    """It filled a negative number of shares, and the account was halted."""
    broker = broker_at(tmp_path)
    order = placed(broker, quantity=150)
    broker.on_tick(tick("100", -5_000))
    assert report(broker, order).filled_quantity == 0


def test_the_unfilled_rest_of_an_ioc_order_is_cancelled(
    broker_at: BrokerAt, tmp_path: Path
) -> None:
    broker = broker_at(tmp_path)
    order = placed(broker, quantity=150, validity=Validity.IOC)
    broker.on_tick(tick("100", 1_000))
    assert (report(broker, order).state, report(broker, order).filled_quantity) == (
        State.CANCELLED,
        100,
    )


def test_a_stop_order_waits_for_its_trigger(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    stop = placed(
        broker,
        side=Side.SELL,
        order_type=OrderType.SL_M,
        trigger_price=Decimal(98),
        limit_price=Decimal(97),
    )
    assert report(broker, stop).state is State.TRIGGER_PENDING
    broker.on_tick(tick("98.05"))
    assert report(broker, stop).state is State.TRIGGER_PENDING
    broker.on_tick(tick("98"))
    assert prices(broker) == [(10, Decimal("97.90"))]


def test_an_unknown_symbol_or_order_is_rejected(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    with pytest.raises(BrokerRejected, match="B is not traded here"):
        placed(broker, symbol="B")
    with pytest.raises(BrokerRejected, match="P9 is not open"):
        asyncio.run(broker.cancel("P9"))


def test_cancel_modify_and_expiry(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    first, second = placed(broker, quantity=150), placed(broker)
    broker.on_tick(tick("100", 1_000))
    with pytest.raises(BrokerRejected, match="quantity=99, filled=100"):
        asyncio.run(broker.modify(first, request(quantity=99)))
    asyncio.run(broker.modify(first, request(quantity=120, limit_price=Decimal(101))))
    assert report(broker, first).quantity == 120
    asyncio.run(broker.cancel(second))
    broker.end_session()
    assert report(broker, second).state is State.CANCELLED
    assert report(broker, first).state is State.EXPIRED


def test_its_order_book_survives_a_kill(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    order = placed(broker, quantity=150)
    broker.on_tick(tick("100", 1_000))
    reported = asyncio.run(broker.orders()), asyncio.run(broker.trades())
    # killed in the middle of a line
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"report": {"broker_or')
    again = broker_at(tmp_path)
    assert (asyncio.run(again.orders()), asyncio.run(again.trades())) == reported
    again.on_tick(tick("100", 1_000))
    assert report(broker_at(tmp_path), order).state is State.FILLED
    assert asyncio.run(again.positions()) == [
        Holding(symbol="A", product=Product.MIS, quantity=150)
    ]
    assert asyncio.run(again.funds()).cash_amount == CAPITAL - 150 * Decimal("100.10")


def test_the_same_seed_rejects_the_same_orders(broker_at: BrokerAt, tmp_path: Path) -> None:
    def rejections(seed: int, folder: Path) -> list[bool]:
        broker = broker_at(folder, FillRules(reject_ratio=0.5, seed=seed))
        found = []
        for _ in range(40):
            try:
                placed(broker)
                found.append(False)
            except BrokerRejected:
                found.append(True)
        return found

    first = rejections(1, tmp_path / "a")
    assert first == rejections(1, tmp_path / "b") != rejections(2, tmp_path / "c")
    assert 5 < sum(first) < 35


def test_each_update_is_delivered_once(broker_at: BrokerAt, tmp_path: Path) -> None:
    broker = broker_at(tmp_path)
    placed(broker)
    broker.on_tick(tick("100"))
    kinds: list[type[Update]] = []

    async def follow() -> None:
        async for update in broker.updates():
            kinds.append(type(update))

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(follow(), 0.01))
    assert kinds == [OrderReport, TradeReport, OrderReport]


class FullDisk(FileIO):
    """Takes so many bytes more, the last ones of them torn off a line, or all if that is None."""

    left: int | None = 0

    def write(self, content: Any) -> int:
        if self.left is None:
            return super().write(content)
        if not self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = super().write(bytes(content[: self.left]))
        self.left -= taken
        return taken


@pytest.mark.parametrize("left", [0, 1, 700, 1_500])
def test_a_full_disk_opens_nothing_and_holds_up_no_exit(
    broker_at: BrokerAt, tmp_path: Path, left: int
) -> None:
    """A fill was stored and never reported, and the ticks of the other symbols were left out."""
    broker = broker_at(tmp_path)
    bought, waiting = placed(broker), placed(broker, limit_price=Decimal(90))
    broker.on_tick(tick("100"))
    broker._file.close()
    full = FullDisk(tmp_path / FILE, "ab")
    full.left = left
    broker._file = full
    exit_ = {"side": Side.SELL, "reason": Reason.STOP}
    sold = [placed(broker, quantity=5, limit_price=Decimal(price), **exit_) for price in (95, 94)]
    asyncio.run(broker.modify(sold[0], request(quantity=5, limit_price=Decimal(93))))
    broker.on_tick(tick("96"))
    assert sum(quantity for quantity, _ in prices(broker)) == 20
    with pytest.raises(BrokerRejected, match="cannot be written"):
        placed(broker)
    broker.on_tick(tick("80"))
    assert report(broker, waiting).state is State.OPEN
    # all that it did was reported, each in full
    sent = [broker._outbox.get_nowait() for _ in range(broker._outbox.qsize())]
    assert [one for one in sent if isinstance(one, TradeReport)] == asyncio.run(broker.trades())
    assert {
        one.broker_order_id: one for one in sent if isinstance(one, OrderReport)
    } == broker._orders
    # a kill leaves whole lines of an earlier moment; when there is space, all of it is stored
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / FILE).write_bytes((tmp_path / FILE).read_bytes())
    assert report(broker_at(killed), bought).state is State.FILLED
    full.left = None
    broker.on_tick(tick("80"))
    assert report(broker, waiting).state is State.FILLED
    again = broker_at(tmp_path)
    assert (again._orders, again._trades) == (broker._orders, broker._trades)


NEXT_DAY = date(2026, 11, 26)
FLAT = Charges(
    effective_from=date(2020, 1, 1),
    brokerage_pct=Decimal(1),
    max_brokerage_amount=None,
    buy_tax_pct=Decimal(0),
    sell_tax_pct=Decimal(0),
    exchange_pct=Decimal(0),
    buy_regulator_pct=Decimal(0),
    sell_regulator_pct=Decimal(0),
    sell_share_amount=Decimal(0),
    max_sell_share_amount=None,
    gst_pct=Decimal(0),
    buy_stamp_pct=Decimal(0),
    tax_unit_amount=None,
    sell_depository_amount=Decimal(0),
)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_new_session_begins_with_what_the_last_one_left(tmp_path: Path, is_kept: bool) -> None:
    """Whether its orders are still reported or not, money and shares stay what they were."""
    broker = PaperBroker(tmp_path, {"A": STEP}, CAPITAL, RULES, (FLAT,))
    kept, other = (request(limit_price=Decimal(101)) for _ in range(2))
    asyncio.run(broker.place(kept))
    asyncio.run(broker.place(other))
    broker.on_tick(tick("100"))
    had = asyncio.run(broker.funds()), asyncio.run(broker.positions())
    # 20 at 100.10, and one percent of that
    assert had[0].cash_amount == CAPITAL - 2002 - Decimal("20.02")
    keep = frozenset({kept.order_id} if is_kept else ())
    asyncio.run(broker.begin_session(NEXT_DAY, (), keep=keep))
    assert (asyncio.run(broker.funds()), asyncio.run(broker.positions())) == had
    assert len(prices(broker)) == is_kept
    broker.close()


def test_cash_that_was_moved_is_not_moved_again_in_a_later_session(
    broker_at: BrokerAt, tmp_path: Path
) -> None:
    moved = CashMoved(
        at=NOW,
        cash_id="one",
        kind=CashKind.DEPOSIT,
        amount=Decimal(500),
        value_date=NOW.date(),
        equity_amount=CAPITAL,
        by="test",
    )
    broker = broker_at(tmp_path)
    broker.move_cash(moved)
    asyncio.run(broker.begin_session(NEXT_DAY, ()))
    broker.move_cash(moved)
    assert asyncio.run(broker.funds()).cash_amount == CAPITAL + 500
