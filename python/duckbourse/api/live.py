"""
The trading loops of this machine: what the journal and `/health` have, events, and commands.

An account is named in the header `x-bourse-account`, never in an address; without it, the one that
is trading, or was last, is meant. Last prices are those that the loop writes beside its journal;
without them positions are valued at their marks or at cost, and `pnl` says so. The rest that is not
in the journal, the feed's figures, comes from the loop's metrics if the server knows their port.

The time of an answer is the session's: that of the wall while today is traded, and in a replay, or
after the end, that of the newest event or price.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import anyio
import httpx
import msgspec
import structlog
from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response, StreamingResponse

from duckbourse import clock
from duckbourse.api.asking import BUSY, Answer, Server, refuse_unknown_parameters
from duckbourse.api.bounds import Bounds
from duckbourse.api.formats import plain
from duckbourse.api.problems import AGAIN, Refused, where
from duckbourse.api.reader import Reader
from duckbourse.api.resources import PROBLEM, REFUSALS
from duckbourse.errors import BourseError, ConfigurationError, JournalError, TradingError
from duckbourse.market import Market
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.events import Event, TradingState
from duckbourse.orders.journal import FILE as JOURNAL
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Order, Reason
from duckbourse.risk.checks import AccountContext, limits_used
from duckbourse.risk.exits import stop_of
from duckbourse.risk.limits import COLUMNS, Limits
from duckbourse.settings import settings
from duckbourse.telemetry.metrics import HOST
from duckbourse.trading import last_prices
from duckbourse.trading.commands import OrderByHand, answer_to, send
from duckbourse.trading.publication import Risk, load_risk
from duckbourse.trading.requests import (
    LOOP_ANSWER_SECONDS,
    outcome,
    send_request,
    unanswered_order,
)
from duckbourse.trading.session_folder import (
    SESSION_FILE,
    SessionFolder,
    has_session,
    is_traded,
    read,
    readable_sessions,
    sessions_of,
)

T = TypeVar("T")
log = structlog.get_logger()
router = APIRouter(dependencies=[Depends(refuse_unknown_parameters)])
# looks for a newer publication and for what the loops did
LOOK_SECONDS = 1.0
# between two heartbeats while a loop runs
BEAT_SECONDS = 5.0
METRICS_SECONDS = 1.0
MOST_LOGGED = 200
MOST_POINTS = 2_000
# the steps of an order as the page draws them
STEPS = {
    State.NEW: "CREATED",
    State.INTENT: "CREATED",
    State.SENT: "SUBMITTED",
    State.UNKNOWN: "SUBMITTED",
    State.ACKED: "WORKING",
    State.TRIGGER_PENDING: "WORKING",
    State.OPEN: "WORKING",
    State.PARTIAL: "PARTLY_FILLED",
    State.FILLED: "FILLED",
    State.CANCELLED: "CANCELLED",
    State.EXPIRED: "EXPIRED",
    State.REJECTED: "REJECTED",
    State.DENIED: "DENIED",
    State.NOT_PLACED: "NOT_PLACED",
}
# what the page calls the limits, by the code with which a check denies; all are of equity or counts
USES = {
    "DAILY_LOSS": "Loss of the day",
    "DRAWDOWN": "Drawdown",
    "LOSSES": "Losses in a row",
    "POSITIONS": "Positions",
    "SYMBOL_AMOUNT": "Largest symbol",
    "SECTOR_AMOUNT": "Largest sector",
    "GROSS_AMOUNT": "Gross",
    "NET_AMOUNT": "Net",
    "OPEN_ORDERS": "Open orders",
    "TRADES": "Trades",
    "ORDER_QUANTITY": "Shares of the largest open entry",
    "ORDER_AMOUNT": "Largest open entry",
    "MARGIN": "Margin",
    "CASH": "Cash for open purchases",
    "VAR": "VaR",
    "ES": "Expected shortfall",
}
# and the rates, at which an entry waits
RATES = (
    ("Requests in a second", "max_orders_per_second"),
    ("Requests in a minute", "max_orders_per_minute"),
    ("Requests of the session", "max_orders_per_session"),
)
# a loop writes last prices about once a second, whatever is traded: it is late, and it hangs
LATE_SECONDS, HUNG_SECONDS = 5, 30
# a sample of the metrics: its name, its account and its value
SAMPLE = re.compile(r'(?P<name>\w+)\{account="(?P<account>[^"]*)"\} (?P<value>\S+)')
Account = Annotated[
    str | None, Header(alias="x-bourse-account", max_length=100, description="Account.")
]


UNREADABLE = "the session of this account cannot be read"
READABLE = "`./bourse positions` says what is wrong with it"
JOURNALS = (SESSION_FILE, JOURNAL, f"{JOURNAL}-wal")
# of the files that a loop writes, those that the page shows
WRITTEN = (JOURNAL, f"{JOURNAL}-wal", last_prices.FILE)


def begun_at(session: SessionFolder) -> float:
    """Return when a session began or resumed, in seconds since 1970; 0 if it is gone."""
    try:
        return (session.path / SESSION_FILE).stat().st_mtime
    except OSError:
        return 0


def session_of(account: str | None) -> SessionFolder:
    """Return the session of an account: of the one that is trading, or was last, if None."""
    found, damaged = readable_sessions()
    if account is not None:
        found = [each for each in found if each.account == account]
    if not found and damaged and (account is None or has_session(account)):
        raise Refused(409, UNREADABLE, READABLE)
    if not found and account is None:
        raise Refused(404, "Nothing has been traded yet", "`./bourse trade` begins a session")
    if not found:
        # no error repeats an account
        raise Refused(
            404, "nothing has been traded on this account", "`./bourse list accounts` has them"
        )
    return max(found, key=lambda each: (is_traded(each), begun_at(each)))


def changed_at(session: SessionFolder, *names: str) -> tuple[tuple[int, int] | None, ...]:
    """Return size and time of the last change of files of an account; None if one is not there."""
    found: list[tuple[int, int] | None] = []
    for name in names:
        try:
            stat = (session.path / name).stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_size, stat.st_mtime_ns))
    return tuple(found)


class Recorded:
    """The journal of a session with the book that follows from it, for all who look at it."""

    def __init__(self, session: SessionFolder) -> None:
        try:
            self.book, self.events = read(session)
        except BourseError as error:
            # its text has the account
            raise Refused(409, UNREADABLE, READABLE) from error
        self._capital_amount = session.capital_amount

    @cached_property
    def profits(self) -> list[tuple[datetime, Decimal]]:
        """What the session had earned after each fill, at marks or at cost."""
        book = Book(self._capital_amount)
        found = []
        for event in self.events:
            book.apply(event)
            if isinstance(event, events.FillBooked | events.SessionStarted | events.SessionEnded):
                found.append((event.at, book.equity_amount({}) - book.session_start_amount))
        return found


class Moment:
    """
    One session as its journal and last prices have it now, with the loop's metrics if any.

    `seen` is the session's P&L at last prices by instant, as far as somebody has looked at it.
    """

    def __init__(
        self,
        session: SessionFolder,
        metrics: Mapping[str, float] | None,
        reasons: Sequence[str],
        journal: Recorded | None = None,
    ) -> None:
        self.session = session
        self.journal = journal or Recorded(session)
        self.book, self.recorded = self.journal.book, self.journal.events
        self.prices = last_prices.read(session.path, session.session_date)
        self.seen: Mapping[datetime, Decimal] = {}
        self.metrics = metrics or {}
        self.reasons = reasons
        self.is_running = is_traded(session)
        written = [each[1] for each in changed_at(session, *WRITTEN) if each is not None]
        self._written_at = max(written, default=0) / 1e9
        self._zone = ZoneInfo(session.zone_name)
        self._answers: dict[str, bytes] = {}
        self._answering = threading.Lock()

    def answer(self, name: str, make: Callable[[], Any]) -> bytes:
        """Return what `make` does as JSON; it is made once for all who ask."""
        with self._answering:
            if name not in self._answers:
                self._answers[name] = msgspec.json.encode(plain(make()))
            return self._answers[name]

    def has(self, name: str) -> bool:
        """Return whether an answer has been made."""
        return name in self._answers

    @property
    def written_seconds(self) -> float | None:
        """How long ago the loop wrote last; None if no loop is running."""
        if not self.is_running:
            return None
        return max(0.0, clock.now().timestamp() - self._written_at)

    def at(self, instant: datetime, *, millis: bool = False) -> str:
        """Return an instant as the exchange's clock shows it."""
        local = instant.astimezone(self._zone).replace(tzinfo=None)
        return local.isoformat(" ", "milliseconds" if millis else "seconds")

    def time(self, instant: datetime) -> str:
        """Return the time of day of an instant, with its date if it is not of the session."""
        text = self.at(instant)
        return text.removeprefix(f"{self.session.session_date} ")

    @property
    def now(self) -> datetime:
        """The session's clock: the wall's while today is traded, else the newest instant known."""
        now = clock.now()
        if self.is_running and now.astimezone(self._zone).date() == self.session.session_date:
            return now
        known = [event.at for event in self.recorded] + [at for _, at in self.prices.values()]
        return max(known, default=now)

    def age_seconds(self, symbol: str) -> float | None:
        """Return how old the last price of a symbol is; None without one."""
        if symbol not in self.prices:
            return None
        return max(0.0, (self.now - self.prices[symbol][1]).total_seconds())

    @property
    def is_marked(self) -> bool:
        """Whether the equity is at last prices."""
        return bool(self.prices) or "bourse_equity_amount" in self.metrics

    @property
    def equity(self) -> Decimal:
        """The equity at last prices; at marks or at cost where there are none."""
        reported = self.metrics.get("bourse_equity_amount")
        return self.book.equity_amount(self.prices) if reported is None else Decimal(str(reported))

    @property
    def day_pnl(self) -> Decimal:
        """What the session has earned after charges, open positions included."""
        return self.equity - self.book.session_start_amount

    @property
    def unrealized(self) -> Decimal | None:
        """What open positions have gained since their entry; None if one has no last price."""
        marked = [
            (held, self.book.last_price(held.symbol, self.prices))
            for held in self.book.open_positions()
        ]
        gains = [held.unrealized_amount(last) for held, last in marked if last is not None]
        return sum(gains, Decimal(0)) if len(gains) == len(marked) else None

    def account(self, seeds: _Seeds) -> dict[str, Any]:
        book, session = self.book, self.session
        held = list(book.positions.values())
        realized = sum((each.realized_amount for each in held), Decimal(0))
        charges = sum((each.charges_amount for each in held), Decimal(0))
        closed = book.session_round_trips()
        limits = seeds.limits
        return {
            "account": session.account,
            "broker": session.broker,
            "is_paper": session.broker == "paper",
            "calendar": session.calendar,
            "currency": seeds.currency,
            "session_date": session.session_date,
            "sessions": len(sessions_of(session)),
            "capital": book.capital_amount,
            "equity": self.equity,
            "cash": book.cash_amount,
            "peak": max(book.peak_amount, self.equity),
            "day_pnl": self.day_pnl,
            "realized": realized,
            "unrealized": self.unrealized,
            "charges": charges,
            "trades": book.entry_count,
            "won": sum(1 for amount in closed if amount > 0),
            "max_daily_loss": (
                limits and book.session_start_amount * limits.max_daily_loss_pct / 100
            ),
            "protection_pct": limits and limits.protection_pct,
            "max_silence_seconds": limits and limits.max_silence_seconds,
        }

    def loop(self) -> dict[str, Any]:
        words = {TradingState.ACTIVE: "running", TradingState.REDUCING: "reducing"}
        state = words.get(self.book.state, "halted") if self.is_running else "stopped"
        silent = self.written_seconds
        return {
            "state": state,
            "is_running": self.is_running,
            "reason": self.book.state_reason,
            "by": self.book.state_by,
            "problems": list(self.reasons),
            "written_seconds": silent,
            "is_silent": silent is not None and silent >= HUNG_SECONDS,
        }

    def positions(self) -> list[dict[str, Any]]:
        """Return what each strategy holds, with the exits of its entries."""
        book = self.book
        entries: dict[tuple[str, str], list[Order]] = {}
        for entry in book.held_entries():
            entries.setdefault((entry.request.strategy, entry.request.symbol), []).append(entry)
        rows = []
        for strategy, held in book.strategy_positions():
            if not held.quantity:
                continue
            of = entries.get((strategy, held.symbol), [])
            exits = [entry.request.exits for entry in of if entry.request.exits is not None]
            best = book.best_price
            stops = [
                stop_of(entry, best.get(entry.request.order_id, entry.average_price))
                for entry in of
            ]
            targets = [each.target_price for each in exits if each.target_price is not None]
            # of several entries, what is reached first
            nearest, farthest = (max, min) if held.quantity > 0 else (min, max)
            age = self.age_seconds(held.symbol)
            rows.append(
                {
                    "symbol": held.symbol,
                    "strategy": strategy,
                    "product": str(held.product),
                    "quantity": held.quantity,
                    "average": held.average_price,
                    "last": book.last_price(held.symbol, self.prices),
                    "stop": nearest((stop for stop in stops if stop is not None), default=None),
                    "target": farthest(targets, default=None),
                    "exit_at": min((self.at(e.exit_at) for e in exits if e.exit_at), default=None),
                    "signal": next((e.request.signal_id for e in of if e.request.signal_id), None),
                    "realized": held.realized_amount,
                    "age_ms": None if age is None else round(1_000 * age),
                }
            )
        return sorted(rows, key=lambda row: (str(row["symbol"]), str(row["strategy"])))

    def orders(self) -> list[dict[str, Any]]:
        """Return the orders of the session, newest first, each with its path through the states."""
        book = self.book
        paths: dict[str, list[dict[str, str]]] = {}
        filled: dict[str, int] = {}

        def step(order_id: str, at: datetime, state: State) -> None:
            path = paths.setdefault(order_id, [])
            if not path or path[-1]["state"] != STEPS[state]:
                path.append({"at": self.at(at, millis=True), "state": STEPS[state]})

        for event in self.recorded:
            match event:
                case events.OrderDenied(request=request):
                    step(request.order_id, event.at, State.NEW)
                    step(request.order_id, event.at, State.DENIED)
                case events.OrderIntended(request=request):
                    step(request.order_id, event.at, State.INTENT)
                case events.OrderSent(order_id=order_id):
                    step(order_id, event.at, State.SENT)
                case events.OrderUpdated(order_id=order_id, state=state):
                    step(order_id, event.at, state)
                case events.FillBooked(fill=fill) if fill.order_id in book.orders:
                    filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.quantity
                    is_whole = filled[fill.order_id] >= book.orders[fill.order_id].request.quantity
                    step(fill.order_id, event.at, State.FILLED if is_whole else State.PARTIAL)
                case events.LegsCrossed(requests=requests):
                    for request in requests:
                        step(request.order_id, event.at, State.FILLED)
        earlier = {name for name in book.carried_orders if not book.orders[name].state.is_live}
        rows = [
            {
                "at": self.at(order.sent_at) if order.sent_at else _first(paths.get(order_id)),
                "id": order_id,
                "strategy": order.request.strategy,
                "symbol": order.request.symbol,
                "side": str(order.request.side),
                "quantity": order.request.quantity,
                "type": str(order.request.order_type),
                "price": order.request.limit_price,
                "trigger": order.request.trigger_price,
                "fill": order.average_price,
                "filled": order.filled_quantity,
                "state": STEPS[order.state],
                "word": str(order.state),
                "is_working": order.state.is_live,
                "reason": str(order.request.reason),
                "signal": order.request.signal_id,
                "why": order.why or order.request.strategy,
                "path": paths.get(order_id, []),
            }
            for order_id, order in book.orders.items()
            if order_id not in earlier
        ]
        return list(reversed(rows))

    def pnl(self) -> dict[str, Any]:
        """Return the profit of the session by time: after each fill, as it was seen, and now."""
        first_seen = min(self.seen, default=None)
        # of a second, its last
        points = {
            self.at(at): value
            for at, value in self.journal.profits
            if first_seen is None or at < first_seen
        }
        points |= {self.at(at): value for at, value in sorted(self.seen.items())}
        if self.is_marked:
            points[self.at(self.now)] = self.day_pnl
        basis = "at marks or cost after each fill" + (
            ", at last prices since it is looked at" if self.is_marked else ""
        )
        shown = sorted(points.items())[-MOST_POINTS:]
        return {
            "at": [at for at, _ in shown],
            "value": [value for _, value in shown],
            "basis": basis,
        }

    @cached_property
    def opened_symbols(self) -> list[str]:
        """The symbols whose risk the account has, open entries included."""
        held = {symbol for _, symbol, _ in self.book.legs()}
        return sorted(held | {order.request.symbol for order in self.book.opening_orders()})

    def limits(self, seeds: _Seeds) -> list[dict[str, Any]]:
        """Return how much of each limit is used, as the checks count it, or an entry waits for."""
        risk = seeds.risk
        if risk is None or self.book.peak_amount <= 0:
            return []
        context = AccountContext(
            self.book,
            now=self.now,
            limits=risk.limits,
            instruments=risk.instruments,
            prices=self.prices,
            covariances=risk.covariances,
            charges=risk.charges,
        )
        rows = []
        for use in limits_used(context):
            name, column = USES[use.code], COLUMNS.get(use.code)
            used, limit, unit = Decimal(use.value), Decimal(use.limit), ""
            if use.code == "DAILY_LOSS":
                used = max(Decimal(0), used)
            if column is not None and column.endswith("_pct"):
                unit = "%"
                # of equity, or what else the amount that is the limit is a part of
                pct = 100 if use.code == "MARGIN" else getattr(risk.limits, column)
                used = used * pct / limit if limit > 0 else used and Decimal(pct)
                limit = Decimal(pct)
            rows.append(
                {
                    "name": f"{name}: {use.of}" if use.of else name,
                    "used": round(used, 4),
                    "limit": limit,
                    "unit": unit,
                    "digits": 2 if unit else 0,
                    "column": column,
                }
            )
        for rate, (name, column) in zip(risk.limits.rates, RATES, strict=True):
            ago = [(self.now - at).total_seconds() for at in self.book.requested_at]
            rows.append(
                {
                    "name": name,
                    "used": sum(each < rate.seconds for each in ago),
                    # the rest is left for what closes
                    "limit": rate.allowed(is_urgent=False),
                    "unit": "",
                    "digits": 0,
                    "column": column,
                }
            )
        return rows

    def health(self) -> list[dict[str, Any]]:
        """Return what is known of the loop and its feed: good, warn or bad, in a few words."""
        rows = [
            {
                "name": "Loop",
                "value": "running" if self.is_running else "no loop is running",
                "state": "good" if self.is_running else "warn",
            },
            {
                "name": "Trading",
                "value": f"{self.book.state}: {self.book.state_reason}",
                "state": "good" if self.book.state is TradingState.ACTIVE else "bad",
            },
        ]
        if (silent := self.written_seconds) is not None:
            state = _lateness(silent)
            value = f"{silent:.1f} s ago" + (": the loop hangs" if state == "bad" else "")
            rows.append({"name": "Last write of the loop", "value": value, "state": state})
        feed = _last(self.recorded, events.FeedChanged)
        if feed is not None:
            rows.append(
                {
                    "name": "Feed",
                    "value": f"{feed.what}, {self.time(feed.at)}",
                    "state": "good" if feed.is_healthy else "bad",
                }
            )
        compared = _last(self.recorded, events.Reconciled)
        if compared is not None:
            count = len(compared.differences)
            rows.append(
                {
                    "name": "Book against broker",
                    "value": f"{count} differences"
                    if count
                    else f"equal, {self.time(compared.at)}",
                    "state": "bad" if count else "good",
                }
            )
        if self.recorded:
            rows.append(
                {
                    "name": "Journal",
                    "value": (
                        f"{self.book.event_count:,} events, last {self.time(self.recorded[-1].at)}"
                    ),
                    "state": "good",
                }
            )
        for name, title in (
            ("bourse_seconds_since_tick", "Last tick"),
            ("bourse_seconds_since_pass", "Last pass of the loop"),
        ):
            seconds = self.metrics.get(name)
            if seconds is not None and seconds == seconds:
                rows.append(
                    {"name": title, "value": f"{seconds:.1f} s ago", "state": _lateness(seconds)}
                )
        rows.extend({"name": "Problem", "value": each, "state": "bad"} for each in self.reasons)
        return rows

    def feed(self, limits: Limits | None) -> list[dict[str, Any]]:
        """Return of each symbol of the session how old its last price is, or was when silent."""
        silent: dict[str, events.PriceSilent] = {}
        for event in self.recorded:
            match event:
                case events.PriceSilent(symbol=symbol):
                    silent[symbol] = event
                case events.FillBooked(fill=fill):
                    silent.pop(fill.symbol, None)
        silent = {
            symbol: event
            for symbol, event in silent.items()
            if symbol not in self.prices or self.prices[symbol][1] <= event.at
        }
        held = self.book.held_symbols()
        asked = {order.request.symbol for order in self.book.live.values()}
        most = None if limits is None else limits.max_silence_seconds
        rows = []
        for symbol in sorted(held | asked | set(silent)):
            age = self.age_seconds(symbol)
            if age is not None:
                value = f"last price {age:.1f} s ago"
            elif symbol in silent:
                value = f"silent for {silent[symbol].seconds} s at {self.time(silent[symbol].at)}"
            else:
                value = "no silence reported"
            is_late = age is not None and most is not None and age > most
            rows.append(
                {
                    "symbol": symbol,
                    "is_held": symbol in held,
                    "last": self.prices[symbol][0] if symbol in self.prices else None,
                    "state": "warn" if is_late or symbol in silent else "good",
                    "value": value,
                }
            )
        return rows

    def log(self) -> list[dict[str, Any]]:
        """Return the newest events of the journal, newest first, without the orders' details."""
        rows = []
        for event in reversed(self.recorded[-MOST_LOGGED:]):
            fields: dict[str, Any] = {
                name: value
                for name, value in msgspec.to_builtins(event).items()
                if name not in ("at", "type") and isinstance(value, str | int | float | bool)
            }
            match event:
                case events.OrderIntended(request=request) | events.OrderDenied(request=request):
                    fields |= {
                        "order_id": request.order_id,
                        "symbol": request.symbol,
                        "side": str(request.side),
                        "quantity": request.quantity,
                    }
                case events.FillBooked(fill=fill):
                    fields |= {
                        "order_id": fill.order_id,
                        "symbol": fill.symbol,
                        "side": str(fill.side),
                        "quantity": fill.quantity,
                        "price": fill.price,
                    }
                case events.LegsCrossed(requests=(request, _)):
                    fields |= {"symbol": request.symbol, "quantity": request.quantity}
            rows.append({"at": self.at(event.at), "kind": type(event).__name__, **fields})
        return rows


def _lateness(seconds: float) -> str:
    return "good" if seconds < LATE_SECONDS else "warn" if seconds < HUNG_SECONDS else "bad"


def _first(path: Sequence[Mapping[str, str]] | None) -> str:
    return path[0]["at"][:19] if path else ""


EventKind = TypeVar("EventKind", bound=Event)


def _last(recorded: Sequence[Event], kind: type[EventKind]) -> EventKind | None:
    return next((event for event in reversed(recorded) if isinstance(event, kind)), None)


CURRENCY = "select currency from seeds.calendars where calendar = $calendar"


class _Seeds(NamedTuple):
    """
    What the publication has of an account; None where it has nothing.

    The risk is that of `symbols`. What could not be read is read again if not `is_whole`.
    """

    currency: str | None = None
    risk: Risk | None = None
    symbols: Set[str] = frozenset()
    is_whole: bool = False

    @property
    def limits(self) -> Limits | None:
        """The limits of the account."""
        return None if self.risk is None else self.risk.limits


class _State(NamedTuple):
    """What the events report; of each account its name, whether it is traded, and its files."""

    build_id: str
    accounts: tuple[tuple[str, bool, Any], ...]
    loop_count: int


class _Metrics(NamedTuple):
    """What the port of the metrics answered: gauges by account; none if it did not."""

    gauges: Mapping[str, Mapping[str, float]]
    reasons: list[str]
    read_at: float

    @property
    def age_seconds(self) -> float:
        return clock.elapsed_seconds() - self.read_at


class Watch:
    """Looks for what changes, once for all clients that follow the events."""

    def __init__(self, reader: Reader, bounds: Bounds, metrics_port: int | None) -> None:
        self._reader, self._bounds, self._port = reader, bounds, metrics_port
        self._clients: set[asyncio.Queue[tuple[str, dict[str, Any]] | None]] = set()
        self._is_over = False
        # what went wrong when it looked last
        self.problem = ""
        self.threads = anyio.CapacityLimiter(8)
        self._seen: dict[tuple[Path, date], dict[datetime, Decimal]] = {}
        self._looking: dict[Path, threading.Lock] = {}
        self._journals: dict[Path, tuple[Any, Recorded]] = {}
        self._moments: dict[Path, tuple[Any, float, Moment]] = {}
        self._seeds: dict[Path, tuple[tuple[str, str, date], _Seeds]] = {}
        self._metrics: _Metrics | None = None
        self._reading_metrics = threading.Lock()
        # of the loop that answered at the port last
        self._measured: Set[str] = frozenset()
        # accounts whose session cannot be read
        self._damaged_count = 0
        # of their own, so that no reader keeps a halt waiting
        self.commands = anyio.CapacityLimiter(16)

    def metrics(self, account: str) -> tuple[Mapping[str, float] | None, list[str]]:
        """
        Return the gauges of the loop of an account, and the reasons why it is not healthy.

        They are None if the port is that of another account's loop, or no loop's. The loop is asked
        at most each LOOK_SECONDS and by one reader; whoever comes meanwhile has its last answer.
        """
        secret = settings().metrics_token
        if self._port is None or secret is None:
            return None, []
        if self._reading_metrics.acquire(blocking=False):
            try:
                if self._metrics is None or self._metrics.age_seconds >= LOOK_SECONDS:
                    self._metrics = self._read_metrics(secret.get_secret_value())
                    self._measured = self._metrics.gauges.keys() or self._measured
            finally:
                self._reading_metrics.release()
        known = self._metrics
        if known is None or known.age_seconds >= LATE_SECONDS:
            return None, []
        if known.gauges:
            return known.gauges.get(account), known.reasons if account in known.gauges else []
        return None, known.reasons if self._is_measured(account) else []

    def _is_measured(self, account: str) -> bool:
        """Whether the port, which does not answer, is certainly that of the account's loop."""
        running = {each.account for each in readable_sessions()[0] if is_traded(each)}
        return (self._measured & running or running) == {account}

    def _read_metrics(self, secret: str) -> _Metrics:
        headers = {"authorization": f"Bearer {secret}"}
        root = f"http://{HOST}:{self._port}"
        try:
            with httpx.Client(headers=headers, timeout=METRICS_SECONDS, trust_env=False) as client:
                text = client.get(f"{root}/metrics").raise_for_status().text
                health = client.get(f"{root}/health").json()
        except (httpx.HTTPError, ValueError):
            return _Metrics({}, ["the loop's metrics cannot be read"], clock.elapsed_seconds())
        found: dict[str, dict[str, float]] = {}
        for sample in filter(None, map(SAMPLE.fullmatch, text.splitlines())):
            with suppress(ValueError):
                of = found.setdefault(sample["account"], {})
                of[sample["name"]] = float(sample["value"])
        reasons = [str(each) for each in health.get("reasons", [])]
        return _Metrics(found, reasons, clock.elapsed_seconds())

    def moment(self, session: SessionFolder) -> Moment:
        """
        Return a session as it is now, and remember its P&L if a loop trades it.

        All who ask within LOOK_SECONDS share it, unless a file of the account changed.
        """
        is_running = is_traded(session)
        # a loop that hangs keeps one reader, and not all who want the account's lock
        measured = self.metrics(session.account) if is_running else (None, [])
        with self._looking.setdefault(session.path, threading.Lock()):
            stamp = (session, is_traded(session), changed_at(session, *WRITTEN))
            kept, made_at, moment = self._moments.get(session.path, (None, 0.0, None))
            age_seconds = clock.elapsed_seconds() - made_at
            if moment is not None and kept == stamp and age_seconds < LOOK_SECONDS:
                return moment
            moment = self._moment(session, *measured)
            self._moments[session.path] = stamp, clock.elapsed_seconds(), moment
            return moment

    def _moment(
        self, session: SessionFolder, metrics: Mapping[str, float] | None, reasons: list[str]
    ) -> Moment:
        stamp = (session, changed_at(session, *JOURNALS))
        known, journal = self._journals.get(session.path, (None, None))
        if journal is None or known != stamp:
            journal = Recorded(session)
            self._journals[session.path] = stamp, journal
        if self.problem:
            reasons = [*reasons, self.problem]
        moment = Moment(session, metrics, reasons, journal)
        seen = self._seen.setdefault((session.path, session.session_date), {})
        if moment.is_running and moment.is_marked:
            seen[moment.now] = moment.day_pnl
            if len(seen) > MOST_POINTS:
                del seen[min(seen)]
        moment.seen = dict(seen)
        return moment

    async def ask(self, work: Callable[[], T]) -> T:
        """Do in a thread what an answer needs; raise Refused if too many wait."""
        if self.threads.statistics().tasks_waiting >= self._bounds.waiting:
            raise Refused(503, BUSY, "ask again", AGAIN)
        return await to_thread.run_sync(work, limiter=self.threads)

    async def seeds(self, server: Server, moment: Moment) -> _Seeds:
        """Return what the publication has of an account; read once, so that it waits for nobody."""
        session = moment.session
        of = (await self.ask(lambda: self._reader.build_id), session.calendar, session.session_date)
        known, kept = self._seeds.get(session.path, (None, _Seeds()))
        if known != of:
            kept = _Seeds()
        symbols = frozenset(moment.opened_symbols)
        if kept.is_whole and symbols <= kept.symbols:
            return kept
        try:
            found = await server.run(lambda market: _seeds(market, session, symbols | kept.symbols))
        except Refused:
            # the risk of what is new is unknown until somebody can read it
            if not kept.is_whole:
                raise
            return kept
        self._seeds[session.path] = of, found
        return found

    async def run(self) -> None:
        """Report what changed to every client, until cancelled."""
        before = await self._state()
        beat_at = clock.elapsed_seconds()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._clients:
                continue
            now = await self._state()
            if now is None:
                continue
            if before is None or now.build_id != before.build_id:
                self._report("publication", {"build_id": now.build_id})
            if before is None or now.accounts != before.accounts:
                self._report("live", {"accounts": len(now.accounts)})
            before = now
            # a loop that hangs changes nothing, and its age is to be seen
            if now.loop_count and clock.elapsed_seconds() - beat_at >= BEAT_SECONDS:
                beat_at = clock.elapsed_seconds()
                self._report("heartbeat", {"loops": now.loop_count})

    async def _state(self) -> _State | None:
        """Return what can change, None if that cannot be looked at now."""
        try:
            found = await to_thread.run_sync(self._look)
        except Exception as error:  # whatever it is, the next look may succeed
            if not self.problem:
                # not its text, which may have an account
                log.error("what changes cannot be looked at", **where(error))
            self.problem = f"the server cannot look for what changes: {type(error).__name__}"
            return None
        self.problem = ""
        return found

    def _look(self) -> _State:
        found, damaged = readable_sessions()
        if len(damaged) != self._damaged_count:
            self._damaged_count = len(damaged)
            log.warning("accounts whose session.json cannot be read", count=len(damaged))
        accounts = tuple(
            (each.account, is_traded(each), changed_at(each, *WRITTEN)) for each in found
        )
        loop_count = sum(is_running for _, is_running, _ in accounts)
        return _State(self._reader.build_id, accounts, loop_count)

    def _report(self, kind: str, data: dict[str, Any]) -> None:
        for queue in list(self._clients):
            try:
                queue.put_nowait((kind, data))
            except asyncio.QueueFull:  # it does not read
                self._clients.discard(queue)
                with suppress(asyncio.QueueEmpty):
                    queue.get_nowait()
                queue.put_nowait(None)

    def end(self) -> None:
        """End every stream, and begin no other."""
        self._is_over = True
        for queue in list(self._clients):
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    def follow(self) -> AsyncIterator[bytes]:
        """Return the events from now on, as text/event-stream; raise Refused if all are taken."""
        if self._is_over:
            raise Refused(503, "the server is about to stop", "ask again when it is there")
        if len(self._clients) >= self._bounds.streams:
            raise Refused(
                503,
                f"{self._bounds.streams} clients follow the events, and no more may",
                "close another page, or ask again",
                {"retry-after": "5"},
            )
        queue: asyncio.Queue[tuple[str, dict[str, Any]] | None] = asyncio.Queue(20)
        self._clients.add(queue)
        return self._events(queue)

    async def _events(
        self, queue: asyncio.Queue[tuple[str, dict[str, Any]] | None]
    ) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\n\n"
            while True:
                try:
                    found = await asyncio.wait_for(queue.get(), self._bounds.heartbeat_seconds)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if found is None:
                    return
                kind, data = found
                yield f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
        finally:
            self._clients.discard(queue)

    @property
    def client_count(self) -> int:
        """The number of clients that follow the events."""
        return len(self._clients)


def _watch(request: Request) -> Watch:
    watch: Watch = request.app.state.watch
    return watch


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


Watching = Annotated[Watch, Depends(_watch)]
Serving = Annotated[Server, Depends(_server)]
JSON_ANSWER: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "The state of one account.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **REFUSALS,
    },
}


def _json(content: bytes, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(content, status, media_type="application/json", headers=headers)


def _encoded(value: Any, status: int = 200) -> Response:
    return _json(msgspec.json.encode(plain(value)), status)


async def _rows(
    watch: Watch, account: str | None, name: str, make: Callable[[Moment], list[dict[str, Any]]]
) -> Response:
    def work() -> bytes:
        moment = watch.moment(session_of(account))
        return moment.answer(name, lambda: {"rows": make(moment)})

    return _json(await watch.ask(work))


async def _with_seeds(
    watch: Watch,
    server: Server,
    account: str | None,
    name: str,
    make: Callable[[Moment, _Seeds], dict[str, Any]],
) -> Response:
    moment = await watch.ask(lambda: watch.moment(session_of(account)))
    seeds = _Seeds()
    if not moment.has(name):
        seeds = await watch.seeds(server, moment)
    return _json(await watch.ask(lambda: moment.answer(name, lambda: make(moment, seeds))))


def _seeds(market: Market, session: SessionFolder, symbols: Set[str]) -> _Seeds:
    found = _Seeds(symbols=symbols)
    try:
        for (currency,) in market.sql(CURRENCY, {"calendar": session.calendar}).fetchall():
            found = found._replace(currency=currency)
        risk = load_risk(market.connection, session.account, session.session_date, sorted(symbols))
    except ConfigurationError:  # the account is not published
        return found._replace(is_whole=True)
    except BourseError:
        return found
    return found._replace(risk=risk, is_whole=True)


def _accounts() -> list[dict[str, Any]]:
    found, _ = readable_sessions()
    return [
        {
            "account": each.account,
            "broker": each.broker,
            "is_paper": each.broker == "paper",
            "session_date": each.session_date,
            "is_running": is_traded(each),
        }
        for each in found
    ]


@router.get("/api/pages/live", summary="What the page Live shows", **JSON_ANSWER)
async def live_page(
    asked: Answer, watch: Watching, server: Serving, account: Account = None
) -> Response:
    def found(moment: Moment, seeds: _Seeds) -> dict[str, Any]:
        page = {
            "mock": False,
            "at": moment.at(moment.now),
            "account": moment.account(seeds),
            "accounts": _accounts(),
            "loop": moment.loop(),
            "positions": moment.positions(),
            "orders": moment.orders(),
            "pnl": moment.pnl(),
            "limits": moment.limits(seeds),
            "health": moment.health(),
            "feed": moment.feed(seeds.limits),
            "log": moment.log(),
            "sql": {},
        }
        # numbers, as all pages have them
        return {name: _as_numbers(part) for name, part in page.items()}

    return await _with_seeds(watch, server, account, "page", found)


def _as_numbers(value: Any) -> Any:
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {name: _as_numbers(each) for name, each in value.items()}
        case list():
            return [_as_numbers(each) for each in value]
        case _:
            return value


@router.get("/api/v1/live", summary="Accounts that are traded, or were", **JSON_ANSWER)
async def accounts(asked: Answer, watch: Watching) -> Response:
    return _encoded({"rows": await watch.ask(_accounts)})


@router.get("/api/v1/live/account", summary="What an account has", **JSON_ANSWER)
async def live_account(
    asked: Answer, watch: Watching, server: Serving, account: Account = None
) -> Response:
    def found(moment: Moment, seeds: _Seeds) -> dict[str, Any]:
        return moment.account(seeds) | {"loop": moment.loop()}

    return await _with_seeds(watch, server, account, "account", found)


@router.get("/api/v1/live/orders", summary="The orders of a session", **JSON_ANSWER)
async def live_orders(asked: Answer, watch: Watching, account: Account = None) -> Response:
    return await _rows(watch, account, "orders", Moment.orders)


@router.get("/api/v1/live/positions", summary="What an account holds", **JSON_ANSWER)
async def live_positions(asked: Answer, watch: Watching, account: Account = None) -> Response:
    return await _rows(watch, account, "positions", Moment.positions)


@router.get("/api/v1/live/log", summary="The newest events of the journal", **JSON_ANSWER)
async def live_log(asked: Answer, watch: Watching, account: Account = None) -> Response:
    return await _rows(watch, account, "log", Moment.log)


@router.get(
    "/api/events",
    summary="Newer publications and what loops do, as server-sent events",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Events.", "content": {"text/event-stream": {}}},
        **REFUSALS,
    },
)
async def follow(watch: Watching) -> StreamingResponse:
    return StreamingResponse(
        watch.follow(),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


class Typed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A command: the account's name as typed, why, and of a close what to close.

    `strategy` is the one whose position to close, empty for what no order opened.
    """

    account: str
    reason: str = "requested"
    symbol: str | None = None
    strategy: str | None = None


async def body_of(request: Request, kind: type[T]) -> T:
    """Return the JSON of a request as a type; raise Refused if it is none."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refused(415, "a body is application/json", "send content-type: application/json")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(
            422, f"the body is not usable: {error}", "see /api/v1/openapi.json"
        ) from error


COMMAND: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "The loop obeyed.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        202: {
            "description": "No loop is running; the next one acts on it at its start.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **REFUSALS,
        409: PROBLEM,
        415: PROBLEM,
    },
    "openapi_extra": {
        "parameters": [
            {
                "name": "x-bourse",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "enum": ["1"]},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["account"],
                        "additionalProperties": False,
                        "properties": {
                            "account": {"type": "string"},
                            "reason": {"type": "string"},
                            "symbol": {"type": "string"},
                            "strategy": {"type": "string"},
                        },
                    },
                    "example": {"account": "paper_us", "reason": "news at noon"},
                }
            },
        },
    },
}


def _commanded(account: str) -> SessionFolder:
    """Return the session of an account that somebody typed; it must be one that was traded."""
    found, damaged = readable_sessions()
    for session in found:
        if session.account == account:
            return session
    if damaged:
        raise Refused(
            404,
            "no account of this name can be read, so nothing was done",
            "`./bourse positions` says which account is damaged, and how to mend it",
        )
    raise Refused(
        404,
        "no account of this name has been traded, so nothing was done",
        "type the account's name as the page shows it",
    )


def _request(name: str, typed: Typed) -> Response:
    session = _commanded(typed.account)
    if typed.symbol is not None or typed.strategy is not None:
        raise Refused(422, f"{name} is of the whole account", "omit symbol and strategy")
    is_live = is_traded(session)
    try:
        path = send_request(session, name, typed.reason[:200])
    except JournalError as error:  # its text has the account
        raise Refused(409, UNREADABLE, READABLE) from error
    answer = answer_to(path, LOOP_ANSWER_SECONDS) if is_live else None
    found = outcome(name, session, path, answer, LOOP_ANSWER_SECONDS)
    if found["is_obeyed"] is False:
        raise TradingError(found["message"], "look at the orders, and at the broker itself")
    return _encoded(found, 200 if found["is_obeyed"] else 202)


def _holders(session: SessionFolder, symbol: str) -> list[str]:
    """Return the strategies that hold a symbol or are about to open it."""
    book = Recorded(session).book
    held = {strategy for strategy, name, _ in book.legs() if name == symbol}
    entries = {
        order.request.strategy
        for order in book.live.values()
        if order.request.symbol == symbol and order.request.reason is Reason.ENTRY
    }
    return sorted(held | entries)


def _close(typed: Typed) -> Response:
    session = _commanded(typed.account)
    if not typed.symbol:
        raise Refused(422, "no symbol is named", 'give the one to close, as "symbol"')
    if not is_traded(session):
        raise TradingError(
            "no loop is trading the account: nothing was ordered, since nothing would check the "
            "order or watch its exit",
            "`./bourse trade` starts one",
        )
    # which of several is meant has to be said; the loop itself knows what one holds
    holders = _holders(session, typed.symbol) if typed.strategy is None else []
    if len(holders) > 1:
        by = " and ".join(f"by {name or 'nobody'}" for name in holders)
        raise TradingError(
            f"{typed.symbol} is held {by}: nothing was closed",
            'name the one whose position to close, as "strategy"; "" is what no order opened',
        )
    wanted = OrderByHand(action="close", target=typed.symbol, strategy=typed.strategy)
    path = send(session.path, "order", "by hand", seconds=LOOP_ANSWER_SECONDS, order=wanted)
    answer = answer_to(path, LOOP_ANSWER_SECONDS)
    if answer is None:
        remedy = "the orders, and the log of the loop, show what became of it"
        late = unanswered_order(session, path, LOOP_ANSWER_SECONDS, remedy)
        # no error names an account, and no path of one
        raise TradingError(str(late).replace(f" of {session.account}", ""), remedy)
    if not answer.is_obeyed:
        raise TradingError(f"close {typed.symbol}: {answer.message}", "look at the positions")
    return _encoded(
        {
            "account": session.account,
            "session_date": session.session_date,
            "is_obeyed": True,
            "is_final": answer.is_final,
            "message": answer.message,
            **answer.figures,
        }
    )


async def _obeyed(request: Request, name: str) -> Response:
    watch = _watch(request)
    typed = await body_of(request, Typed)
    return await to_thread.run_sync(
        (lambda: _close(typed)) if name == "close" else (lambda: _request(name, typed)),
        limiter=watch.commands,
    )


@router.post("/api/live/halt", summary="Cancel open entries and open nothing", **COMMAND)
async def halt(request: Request) -> Response:
    return await _obeyed(request, "halt")


@router.post("/api/live/resume", summary="Trade again", **COMMAND)
async def resume(request: Request) -> Response:
    return await _obeyed(request, "resume")


@router.post("/api/live/square-off", summary="Close everything", **COMMAND)
async def square_off(request: Request) -> Response:
    return await _obeyed(request, "square-off")


@router.post("/api/live/close", summary="Close one position", **COMMAND)
async def close(request: Request) -> Response:
    return await _obeyed(request, "close")
