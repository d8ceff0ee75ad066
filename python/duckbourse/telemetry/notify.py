"""
Notifications of a trading account to people, through the webhook and chat of `webhook.py`.

A separate thread sends them, urgent ones first, so a slow receiver delays no order. The number
per minute is limited for each kind of message alone, so that a halt is not dropped behind twenty
stops. Beyond it, the newest of its kind waits for its turn and reports how many were dropped before
it. A message that cannot be sent is logged.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

import structlog

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.events import Event, TradingState
from duckbourse.orders.order import Reason
from duckbourse.settings import EventKind, Settings
from duckbourse.telemetry import webhook
from duckbourse.words import clock_problem

log = structlog.get_logger()

MAX_PER_MINUTE = 20
CLOSE_SECONDS = 20.0
# how often it is looked whether what waits has its turn
LOOK_SECONDS = 1.0


@dataclass
class _Kind:
    """The messages of one kind: when the last ones were sent, and the one that waits."""

    sent: deque[float] = field(default_factory=deque)
    waiting: str | None = None
    is_urgent: bool = False
    dropped_count: int = 0


class Notifier:
    """
    Sends notifications of one account; `on_event` is a listener of its manager.

    `held` returns what an entry holds and has gained at a price, in words, by the entry's id;
    `summary` is of the session, once it has ended.
    """

    def __init__(
        self,
        account: str,
        settings: Settings,
        max_per_minute: int = MAX_PER_MINUTE,
        held: Callable[[str, Decimal], str] = lambda entry_id, _: entry_id,
        summary: Callable[[], str] = str,
    ) -> None:
        self._held = held
        self._summary = summary
        self._account = account
        self._settings = settings
        wanted = EventKind.trading in settings.webhook_events
        self._is_on = wanted and bool(webhook.targets(settings))
        self._per_minute = max_per_minute
        self._kinds: defaultdict[str, _Kind] = defaultdict(_Kind)
        self._lock = threading.Lock()
        # urgent ones first, then in the order in which they came, and None at the end
        self._queue: queue.PriorityQueue[tuple[int, int, str | None]] = queue.PriorityQueue()
        self._numbers = count()
        self._thread = threading.Thread(target=self._send_all, name="notify", daemon=True)
        if self._is_on:
            self._thread.start()

    def on_event(self, event: Event) -> None:
        """Notify people of an event that matters to them."""
        kind = type(event).__name__
        match event:
            case events.TradingStateChanged(state=state, reason=reason, by=by):
                is_urgent = state is not TradingState.ACTIVE
                self.send(f"{state}: {reason} (by {by})", state, is_urgent=is_urgent)
            case events.ExitTriggered(reason=reason, price=price) if reason is not Reason.TIME:
                text = f"{self._held(event.entry_id, price)}: {reason} at {price.normalize():f}"
                self.send(text, kind)
            case events.SessionEnded(session_date=day, equity_amount=equity):
                text = f"the session of {day} ended with an equity of {equity:,.2f}"
                self.send("; ".join(filter(None, (text, self._summary()))), kind)
            case events.ExitDelayed():
                self.send(
                    f"{event.symbol}: {event.quantity} not closed {event.seconds} s after its"
                    f" exit ({event.reason}): {event.detail}",
                    f"{kind} {event.symbol}",
                    is_urgent=True,
                )
            case events.StopTakenBack(symbol=symbol, detail=detail):
                text = f"{symbol}: no stop rests at the broker any more: {detail}"
                self.send(text, f"{kind} {symbol}", is_urgent=True)
            case events.ShortByHand(symbol=symbol, quantity=quantity, has_exits=has_exits):
                exits = "with its own exits" if has_exits else "without a stop"
                text = f"{symbol}: {quantity} sold short by hand, {exits}"
                self.send(text, f"{kind} {symbol}", is_urgent=not has_exits)
            case events.PriceSilent(symbol=symbol, seconds=seconds):
                self.send(f"{symbol}: no tick for {seconds} s, while other symbols have some", kind)
            case events.ClockJumped(seconds=seconds):
                self.send(
                    clock_problem(seconds) or "the clock is right again", kind, is_urgent=True
                )
            case events.StrategyFailed(strategy=strategy, detail=detail):
                text = f"the strategy {strategy} failed and opens nothing more: {detail}"
                self.send(text, kind)
            case events.FeedChanged(what=what):
                self.send(what, kind)
            case events.Reconciled(differences=differences) if differences:
                self.send(f"the broker differs: {'; '.join(differences)}", kind, is_urgent=True)
            case events.JournalSalvaged(kept_as=kept):
                text = f"the journal was damaged and is kept as {kept}"
                self.send(text, kind, is_urgent=True)

    def send(self, text: str, kind: str = "", *, is_urgent: bool = False) -> None:
        """
        Send a message, or have it wait if this minute already had too many of its kind.

        One that waits is dropped for the next of its kind. Any thread may call this.
        """
        if not self._is_on:
            return
        with self._lock:
            of_kind = self._kinds[kind]
            of_kind.dropped_count += of_kind.waiting is not None
            of_kind.waiting, of_kind.is_urgent = text, is_urgent
            self._release(of_kind)

    def _release(self, of_kind: _Kind, *, is_end: bool = False) -> None:
        now = clock.elapsed_seconds()
        while of_kind.sent and now - of_kind.sent[0] >= 60:
            of_kind.sent.popleft()
        if of_kind.waiting is None or (len(of_kind.sent) >= self._per_minute and not is_end):
            return
        of_kind.sent.append(now)
        dropped = of_kind.dropped_count
        more = f" ({dropped} earlier messages were dropped)" if dropped else ""
        text = f"{self._account}: {of_kind.waiting}{more}"
        self._queue.put((not of_kind.is_urgent, next(self._numbers), text))
        of_kind.waiting, of_kind.dropped_count = None, 0

    def _release_all(self, *, is_end: bool = False) -> None:
        with self._lock:
            for of_kind in self._kinds.values():
                self._release(of_kind, is_end=is_end)

    def close(self) -> None:
        """Send the messages that are queued or wait, and stop."""
        if self._is_on:
            self._release_all(is_end=True)
            self._queue.put((2, next(self._numbers), None))
            self._thread.join(CLOSE_SECONDS)

    def _send_all(self) -> None:
        while True:
            self._release_all()
            try:
                _, _, text = self._queue.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            if text is None:
                return
            event = webhook.Event(
                EventKind.trading, text, str(uuid.uuid4()), {"account": self._account}
            )
            for target, problem in webhook.posted(event, self._settings):
                if problem:
                    log.warning("not notified", by=target.name, problem=problem)
