"""
Rules of an exit: when it is due, and the limits at which it is tried.

An entry carries its own exits: stop, target, trailing stop and time. A tick has one price, so the
question which of two came first within a tick does not arise.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import ceil, floor

from duckbourse.orders.order import Exits, Order, Reason, Side
from duckbourse.risk.limits import Instrument, Limits
from duckbourse.words import priced

# an exit that does not fill is tried at this many times the account's `protection_pct`, in turn
PROTECTION_STEPS = (1, 2, 4, 8, 16)
# the most protection, in percent of the price, where an instrument has no price band
MAX_PROTECTION_PCT = Decimal(20)
# prices of ticks are whole millionths, all below this
MILLION = 10**6
MOST_MILLIONTHS = 2**62


def best_price(entry: Order, best: Decimal | None, price: Decimal) -> Decimal:
    """Return the best price since an entry: of this one and the best to date, or the entry's."""
    sign = entry.request.side.sign
    before = entry.average_price if best is None else best
    known = [known for known in (before, price) if known is not None]
    return max(known, key=lambda value: value * sign)


def believed_price(
    price: Decimal | None,
    before: Decimal | None,
    reference: Decimal | None,
    max_move_pct: Decimal,
) -> Decimal | None:
    """
    Return a quoted price, or None if nothing but itself speaks for it.

    It is believed within `max_move_pct` of the reference, the last price or the prior close, or of
    the same side of the quote before: the two confirm each other.
    """
    if price is None or reference is None:
        return price
    is_near = any(
        known is not None and abs(price - known) <= known * max_move_pct / 100
        for known in (reference, before)
    )
    return price if is_near else None


def quoted_price(
    side: Side,
    reference: Decimal | None,
    bid: Decimal | None,
    ask: Decimal | None,
    max_spread_pct: Decimal,
) -> Decimal | None:
    """
    Return the price of a position, bought or sold short, by a quote; None if the quote has none.

    A long can be closed at the bid and a short at the ask. Where that is missing or the spread is
    wider than `max_spread_pct` of the bid, it is the other side if that is worse than `reference`,
    the last price or the prior close: no better price can be had. A bid above the ask is no quote.
    """
    near, far = (bid, ask) if side is Side.BUY else (ask, bid)
    if bid is not None and ask is not None and bid > ask:
        return None
    if bid is not None and ask is not None and ask - bid <= bid * max_spread_pct / 100:
        return near
    if reference is not None and far is not None and (far - reference) * side.sign < 0:
        return far
    return None


def due(entry: Order, best: Decimal | None, price: Decimal | None, now: datetime) -> Reason | None:
    """Return the reason to close an entry at this price and time, or None; time needs no price."""
    exits, sign = entry.request.exits, entry.request.side.sign
    if exits is None:
        return None
    if price is not None:
        if exits.stop_price is not None and (price - exits.stop_price) * sign <= 0:
            return Reason.STOP
        trail = exits.trail_distance
        if trail is not None and best is not None and (best - price) * sign >= trail:
            return Reason.TRAILING_STOP
        if exits.target_price is not None and (price - exits.target_price) * sign >= 0:
            return Reason.TARGET
    if exits.exit_at is not None and now >= exits.exit_at:
        return Reason.TIME
    return None


def stop_of(entry: Order, best: Decimal | None) -> Decimal | None:
    """Return the price at which `due` closes an entry by its stop or its trail; None if never."""
    exits, sign = entry.request.exits, entry.request.side.sign
    if exits is None:
        return None
    stops = [exits.stop_price] if exits.stop_price is not None else []
    if exits.trail_distance is not None and best is not None:
        stops.append(best - sign * exits.trail_distance)
    return max(stops, key=lambda stop: stop * sign, default=None)


def quiet_range(entry: Order, best: Decimal | None) -> tuple[int, int]:
    """
    Return the bounds, in millionths, between which no price is due and no trail moves.

    It is what `due` and `best_price` do without being asked: between the bounds, which are outside,
    both would answer that nothing changes. (0, 0) has no price between.
    """
    exits, sign = entry.request.exits, entry.request.side.sign
    worst: list[Decimal] = []
    most = MOST_MILLIONTHS
    if exits is not None:
        if exits.stop_price is not None:
            worst.append(exits.stop_price * sign)
        if exits.target_price is not None:
            most = floor(exits.target_price * sign * MILLION)
        if exits.trail_distance is not None:
            if best is None:
                return 0, 0
            worst.append(best * sign - exits.trail_distance)
            most = min(most, floor(best * sign * MILLION) + 1)
    least = ceil(max(worst) * MILLION) if worst else -MOST_MILLIONTHS
    low, high = (least, most) if sign > 0 else (-most, -least)
    return max(low, -MOST_MILLIONTHS), min(high, MOST_MILLIONTHS)


def due_at_once(exits: Exits, side: Side, price: Decimal, now: datetime) -> str | None:
    """
    Return which exit is due as soon as a position is bought or sold at a price, or None.

    A stop belongs below what is bought and above what is sold short, and a target on the other
    side. The answer has both numbers.
    """
    stop, target, trail = exits.stop_price, exits.target_price, exits.trail_distance
    is_below = side is Side.BUY
    if stop is not None and (price - stop) * side.sign <= 0:
        where = "below" if is_below else "above"
        return f"stop_price={priced(stop)}, required={where} {priced(price)}"
    if target is not None and (target - price) * side.sign <= 0:
        where = "above" if is_below else "below"
        return f"target_price={priced(target)}, required={where} {priced(price)}"
    if trail is not None and trail <= 0:
        return f"trail_distance={trail}, required=above 0"
    if exits.exit_at is not None and exits.exit_at <= now:
        return f"exit_at={exits.exit_at:%F %T}, required=after {now:%F %T}"
    return None


def exit_limit(
    limits: Limits, instrument: Instrument, side: Side, price: Decimal, step: int
) -> Decimal:
    """
    Return the worst price at which an exit may fill in its `step`-th try, from 0.

    The protection widens with each step, up to the price band and never beyond it.
    """
    if step >= len(PROTECTION_STEPS):
        return last_limit(instrument, side, price)
    protection = min(limits.protection_pct * PROTECTION_STEPS[step], MAX_PROTECTION_PCT)
    return protected(instrument, side, price, protection)


def last_limit(instrument: Instrument, side: Side, price: Decimal) -> Decimal:
    """Return the worst price of all: the price band's, or else that of the most protection."""
    low, high = instrument.price_band
    if high is not None:
        return low if side is Side.SELL else high
    return protected(instrument, side, price, MAX_PROTECTION_PCT)


def protected(
    instrument: Instrument, side: Side, price: Decimal, protection_pct: Decimal
) -> Decimal:
    """
    Return the worst price at which a market order may fill, in whole ticks.

    It is the price and the protection, but within the price band: an exchange refuses others.
    """
    worst = price * (1 + side.sign * protection_pct / 100)
    steps = worst / instrument.tick_size
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    limit = int(steps.to_integral_value(rounding)) * instrument.tick_size
    low, high = instrument.price_band
    if high is not None:
        limit = min(limit, high)
    return max(limit, low)
