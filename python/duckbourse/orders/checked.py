"""
The seam of a broker: whatever its adapter says is checked before it reaches the book.

What the book could not apply, or the journal not hold, is refused as BrokerUnclear, in one line
that names the field: an instant without a zone, a number that is not finite, a quantity that is not
positive, an empty id, another type. Nothing of such an answer is used, since a broker that is wrong
in one row is not believed in the others. But a row that is a stranger's by its ids is left out: it
may be of a kind that the account never has, such as shares without a price.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NoReturn, TypeVar

import structlog

from duckbourse.errors import BrokerUnclear
from duckbourse.orders.broker import (
    Broker,
    Capabilities,
    Funds,
    Holding,
    OrderReport,
    TradeReport,
    Update,
)
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Fill, OrderType, Product, Request, Side

log = structlog.get_logger()

# larger ones are in no account, and the arithmetic of some would not end
MOST_SHARES = 2**53
MOST_AMOUNT = Decimal(10) ** 18
Said = TypeVar("Said")
# says what is wrong with a value; None if nothing is
Rule = Callable[[Any], str | None]


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return "is no text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "cannot be written"
    return None


def _name(value: Any) -> str | None:
    return _text(value) or (None if value.strip() else "is empty")


def _whole(least: int) -> Rule:
    def rule(value: Any) -> str | None:
        if type(value) is not int:
            return "is no whole number"
        if not least <= value <= MOST_SHARES:
            return f"is not at least {least}" if value < least else "is too large"
        return None

    return rule


def _amount(value: Any) -> str | None:
    if not isinstance(value, Decimal):
        return "is no Decimal"
    if not value.is_finite():
        return "is not finite"
    return "is too large" if abs(value) >= MOST_AMOUNT else None


def _price(value: Any) -> str | None:
    return _amount(value) or ("is negative" if value < 0 else None)


def _price_paid(value: Any) -> str | None:
    return _amount(value) or ("is not positive" if value <= 0 else None)


def _instant(value: Any) -> str | None:
    if type(value) is not datetime:
        return "is no instant"
    return "has no zone" if value.utcoffset() is None else None


def _false(value: Any) -> str | None:
    return None if value is False else "is not False"


def _flag(value: Any) -> str | None:
    return None if type(value) is bool else "is no bool"


def _one_of(kind: type[Enum]) -> Rule:
    return lambda value: None if type(value) is kind else f"is no {kind.__name__}"


def _or_none(rule: Rule) -> Rule:
    return lambda value: None if value is None else rule(value)


def _fill(value: Any) -> str | None:
    return _problem(value, Fill)


SIDE, PRODUCT = _one_of(Side), _one_of(Product)
RULES: dict[type, dict[str, Rule]] = {
    OrderReport: {
        "broker_order_id": _name,
        "order_id": _or_none(_text),
        "symbol": _name,
        "side": SIDE,
        "product": PRODUCT,
        "order_type": _one_of(OrderType),
        "quantity": _whole(1),
        "state": _one_of(State),
        "filled_quantity": _whole(0),
        "average_price": _or_none(_price),
        "limit_price": _or_none(_price),
        "trigger_price": _or_none(_price),
        "message": _text,
        "at": _or_none(_instant),
    },
    TradeReport: {
        "broker_order_id": _name,
        "fill": _fill,
        "charges_amount": _or_none(_amount),
    },
    Fill: {
        "fill_key": _name,
        "order_id": _text,
        "symbol": _name,
        "side": SIDE,
        "product": PRODUCT,
        "quantity": _whole(1),
        "price": _price_paid,
        "filled_at": _instant,
        "charges_amount": _amount,
        "is_provisional": _false,
    },
    Holding: {"symbol": _name, "product": PRODUCT, "quantity": _whole(-MOST_SHARES)},
    Funds: {"cash_amount": _amount, "has_charges": _flag},
}


def _problem(value: Any, *kinds: type) -> str | None:
    """Return what is wrong with a report that is to be one of these; None if nothing is."""
    kind = type(value)
    if kind not in kinds:
        return f" is {value!r:.80}, and no {' or '.join(each.__name__ for each in kinds)}"
    for field, rule in RULES[kind].items():
        found = getattr(value, field)
        if problem := rule(found):
            at = f".{field}"
            return f"{at}{problem}" if rule is _fill else f"{at} {found!r:.80} {problem}"
    return None


class CheckedBroker(Broker):
    """
    A broker of which the answers are checked.

    `on_refused` receives what is refused, in a line, before BrokerUnclear is raised. Of a row whose
    ids can be read, `may_be_ours` says whether it may be of the account.
    """

    def __init__(
        self,
        adapter: Broker,
        may_be_ours: Callable[[OrderReport | TradeReport], bool],
        on_refused: Callable[[str], None],
    ) -> None:
        self.adapter = adapter
        self._may_be_ours = may_be_ours
        self._on_refused = on_refused

    @property
    def name(self) -> str:
        return self.adapter.name

    @property
    def capabilities(self) -> Capabilities:
        return self.adapter.capabilities

    async def place(self, request: Request) -> str:
        found = await self.adapter.place(request)
        if problem := _name(found):
            self._refuse(f"place {found!r:.80} {problem}")
        return found

    async def cancel(self, broker_order_id: str) -> None:
        await self.adapter.cancel(broker_order_id)

    async def modify(self, broker_order_id: str, request: Request) -> None:
        await self.adapter.modify(broker_order_id, request)

    async def find(self, order_id: str) -> Sequence[OrderReport]:
        return self._all("find", await self.adapter.find(order_id), OrderReport)

    async def orders(self) -> Sequence[OrderReport]:
        return self._all("orders", await self.adapter.orders(), OrderReport)

    async def trades(self) -> Sequence[TradeReport]:
        return self._all("trades", await self.adapter.trades(), TradeReport)

    async def positions(self) -> Sequence[Holding]:
        return self._all("positions", await self.adapter.positions(), Holding)

    async def holdings(self) -> Sequence[Holding]:
        return self._all("holdings", await self.adapter.holdings(), Holding)

    async def funds(self) -> Funds | None:
        found = await self.adapter.funds()
        if found is not None and (problem := _problem(found, Funds)):
            self._refuse(f"funds{problem}")
        return found

    async def updates(self) -> AsyncIterator[Update]:
        updates = self.adapter.updates()
        try:
            async for update in updates:
                if problem := _problem(update, OrderReport, TradeReport):
                    self._refuse(f"updates{problem}")
                yield update
        finally:
            if close := getattr(updates, "aclose", None):
                await close()

    async def disconnect(self) -> None:
        await self.adapter.disconnect()

    def close(self) -> None:
        self.adapter.close()

    def _all(self, asked: str, found: Iterable[Said], kind: type[Said]) -> Sequence[Said]:
        if not isinstance(found, list | tuple):
            self._refuse(f"{asked} is {found!r:.80}, and no list")
        kept = []
        for each in found:
            problem = _problem(each, kind)
            if problem is None:
                kept.append(each)
            elif self._is_of_a_stranger(each):
                log.warning("a row of a stranger cannot be read", asked=asked, problem=problem)
            else:
                self._refuse(f"{asked}{problem}")
        return kept

    def _is_of_a_stranger(self, row: Any) -> bool:
        kind = type(row)
        if kind not in (OrderReport, TradeReport) or _name(row.broker_order_id):
            return False
        if kind is OrderReport and RULES[OrderReport]["order_id"](row.order_id):
            return False
        return not self._may_be_ours(row)

    def _refuse(self, problem: str) -> NoReturn:
        said = f"the broker {self.name} says what cannot be booked: {problem}"
        self._on_refused(said)
        raise BrokerUnclear(said)
