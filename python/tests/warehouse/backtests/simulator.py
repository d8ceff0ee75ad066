"""
Trading, bar by bar and trade by trade, in the plainest words: what the models must agree with.

Prices of a short are turned, with a minus, so that more is better for both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

NAN = math.nan


class Bar(NamedTuple):
    start: datetime
    end: datetime
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True)
class Signal:
    known_ts: datetime
    exit_at: datetime
    is_long: bool
    stop: float
    target: float


class Exit(NamedTuple):
    entry_ts: datetime | None
    entry_price: float | None
    exit_ts: datetime | None
    exit_price: float | None
    reason: str | None
    missing: str | None
    gross_return: float | None
    favorable_return: float | None
    adverse_return: float | None


def rounded(value: float, digits: int = 6) -> float:
    """Round as DuckDB does, a half away from zero."""
    return math.copysign(math.floor(abs(value) * 10**digits + 0.5) / 10**digits, value)


def first_locked(bars: Sequence[Bar]) -> int:
    """Return the place of the first bar of a circuit lock that lasts to the end of the session."""
    place = len(bars)
    price = bars[-1].close
    if price not in (max(bar.high for bar in bars), min(bar.low for bar in bars)):
        return place
    while place and bars[place - 1].high == bars[place - 1].low == price:
        place -= 1
    return place


def follow(
    signal: Signal,
    session: Sequence[Bar],
    trailing_pct: float | None = None,
    trailing_distance: float | None = None,
) -> Exit:
    """
    Follow a signal through its session and return how it was entered and left.

    A trailing stop is so many percent, or so much money, below the best price of the bars before.
    """
    nothing = (None,) * 8
    bars = [bar for bar in session if bar.start >= signal.known_ts and bar.end <= signal.exit_at]
    if not bars:
        return Exit(*nothing[:5], "no_bars", *nothing[:3])
    lock = session[first_locked(session)].start if first_locked(session) < len(session) else None
    if lock is not None and bars[0].start >= lock:
        return Exit(*nothing[:5], "locked_at_entry", *nothing[:3])

    side = 1 if signal.is_long else -1
    stop, target = side * signal.stop, side * signal.target
    entry = side * bars[0].open
    best = worst = entry
    left: tuple[str, float, datetime] | None = None
    for bar in bars:
        if lock is not None and bar.start >= lock:
            break
        opening = side * bar.open
        high, low = (bar.high, bar.low) if signal.is_long else (-bar.low, -bar.high)
        levels = [(stop, "stop")] if low <= stop else []
        if trailing_pct is not None and rounded((best - low) / abs(best) * 100) >= trailing_pct:
            level = rounded(best - abs(best) * trailing_pct / 100)
            if not levels or level > stop:
                levels = [(level, "trailing_stop")]
        if trailing_distance is not None and rounded(best - low) >= trailing_distance:
            level = rounded(best - trailing_distance)
            if not levels or level > stop:
                levels = [(level, "trailing_stop")]
        if opening >= target:
            left = ("target", opening, bar.start)
        elif levels:
            level, reason = levels[0]
            price = max(min(opening, level), low)
            left = (reason, price, bar.start if opening <= level else bar.end)
        elif high >= target:
            left = ("target", target, bar.end)
        if left:
            best, worst = max(best, opening, left[1]), min(worst, opening, left[1])
            break
        best, worst = max(best, high), min(worst, low)
    if left is None and lock is not None and bars[-1].start >= lock:
        return Exit(bars[0].start, bars[0].open, None, None, None, "locked_at_exit", *nothing[:3])
    reason, price, when = left or ("time", side * bars[-1].close, bars[-1].end)

    def gain(level: float) -> float:
        return (level - entry) / abs(entry)

    return Exit(
        *(bars[0].start, bars[0].open, when, abs(price), reason, None),
        *(gain(price), gain(best), gain(worst)),
    )


def cents(value: float) -> float:
    return rounded(value, 4)


def in_whole_units(amount: float, unit: float | None) -> float:
    """Return an amount as the multiple of a unit that is nearest, a half being rounded up."""
    return amount if unit is None else math.floor(rounded(amount, 8) / unit + 0.5) * unit


def charge(side: str, quantity: float, price: float, schedule: Mapping[str, Any]) -> float:
    """Return what is taken of a fill, each part rounded as money is."""
    turnover = quantity * price / 100
    brokerage = turnover * schedule["brokerage_pct"]
    if schedule["max_brokerage_amount"] is not None:
        brokerage = min(brokerage, schedule["max_brokerage_amount"])
    exchange = turnover * schedule["exchange_pct"]
    regulator = turnover * schedule[f"{side}_regulator_pct"]
    parts = [
        *(brokerage, exchange, regulator),
        in_whole_units(turnover * schedule[f"{side}_tax_pct"], schedule["tax_unit_amount"]),
        (brokerage + exchange + regulator) * schedule["gst_pct"] / 100,
    ]
    if side == "buy":
        parts.append(
            in_whole_units(turnover * schedule["buy_stamp_pct"], schedule["tax_unit_amount"])
        )
    else:
        by_share = quantity * schedule["sell_share_amount"]
        parts.append(min(by_share, schedule["max_sell_share_amount"]))
        parts.append(schedule["sell_depository_amount"])
    return sum(cents(part) for part in parts)


def pnl(quantity: float, trade: Mapping[str, Any], setting: Mapping[str, Any]) -> float:
    """Return what a position made after everything."""
    entry, out = trade["entry_price"], trade["marked_exit_price"]
    slip = setting["slippage_bps"] / 10_000
    costs = cents(quantity * entry * slip)
    if trade["exit_reason"] != "target":
        costs += cents(quantity * out * slip)
    bought, sold = (entry, out) if trade["direction"] == "long" else (out, entry)
    costs += charge("buy", quantity, bought, trade) + charge("sell", quantity, sold, trade)
    return cents(quantity * sold) - cents(quantity * bought) - costs


def unit_cost(trade: Mapping[str, Any], setting: Mapping[str, Any]) -> float:
    """Return what a share costs to enter at the most."""
    regulator = max(trade["buy_regulator_pct"], trade["sell_regulator_pct"])
    taxed = (trade["brokerage_pct"] + trade["exchange_pct"] + regulator) * (
        1 + trade["gst_pct"] / 100
    )
    taxes = max(trade["buy_tax_pct"] + trade["buy_stamp_pct"], trade["sell_tax_pct"])
    share: float = trade["entry_price"] * (
        1 + setting["slippage_bps"] / 1e4 + (taxed + taxes) / 100
    )
    return share + float(trade["sell_share_amount"])


def order_cost(trade: Mapping[str, Any]) -> float:
    """Return what an entry costs at the most beside its shares."""
    depository = trade["sell_depository_amount"] if trade["direction"] == "short" else 0
    return float((trade["tax_unit_amount"] or 0) + depository)


def kelly_pct(history: Sequence[float], setting: Mapping[str, Any]) -> float:
    """Return the share of equity by Kelly's formula, of the returns of earlier sessions."""
    if len(history) < setting["min_kelly_trades"]:
        return float(setting["sizing_pct"])
    wins = [value for value in history if value > 0]
    losses = [-value for value in history if value <= 0]
    share = len(wins) / len(history)
    if wins and losses:
        share -= (1 - share) * (sum(losses) / len(losses)) / (sum(wins) / len(wins))
    return float(100 * setting["kelly_ratio"] * share)


def wanted_amount(
    trade: Mapping[str, Any], setting: Mapping[str, Any], equity: float, history: Sequence[float]
) -> float:
    """Return the money that the rule of sizes would put into a position."""
    match setting["sizing"]:
        case "fixed_fraction":
            return float(equity * (setting["sizing_pct"] or trade["position_pct"]) / 100)
        case "risk_per_trade":
            side = 1 if trade["direction"] == "long" else -1
            risk = side * (trade["entry_price"] - trade["stop_price"])
            share = setting["sizing_pct"] / 100
            return float(equity * share * trade["entry_price"] / risk) if risk > 0 else 0.0
        case "volatility_target":
            known = trade["natr_14"]
            return float(equity * setting["sizing_pct"] / known) if known else 0.0
        case "kelly_capped":
            return equity * kelly_pct(history, setting) / 100
    raise AssertionError(setting["sizing"])


def trade_session(
    trades: Sequence[Mapping[str, Any]],
    setting: Mapping[str, Any],
    equity: float,
    history: Sequence[float],
) -> list[tuple[Mapping[str, Any], int]]:
    """Return what of a session's signals, best first, is traded, and how many shares of each."""
    money = equity * setting["max_leverage_ratio"]
    most = setting["max_sector_pct"]
    sectors: dict[str, float] = {}
    seen: set[str] = set()
    done = []
    for place, trade in enumerate(trades):
        if place >= setting["max_positions"] or trade["symbol"] in seen:
            continue
        seen.add(trade["symbol"])
        price = trade["entry_price"]
        wanted = math.floor(
            min(
                wanted_amount(trade, setting, equity, history) / price,
                equity * setting["max_symbol_pct"] / 100 / price,
                (trade["entry_bar_volume"] or 0) * setting["max_participation_pct"] / 100,
            )
        )
        if most is not None:
            sector = trade["sector"] or trade["symbol"]
            left = equity * most / 100 - sectors.get(sector, 0)
            sectors[sector] = sectors.get(sector, 0) + wanted * price
            wanted = max(0, min(wanted, math.floor(left / price)))
        money -= order_cost(trade)
        quantity = max(0, min(wanted, math.floor(money / unit_cost(trade, setting))))
        # the last one that fits is made smaller, and those after it are left out
        money -= wanted * unit_cost(trade, setting)
        if quantity:
            done.append((trade, quantity))
    return done
