"""
Notifications of a trading account to people, through the webhook and chat of `webhook.py`.

A separate thread sends them, so a slow receiver never delays an order. The number per minute is
limited: further messages are dropped and counted, and the next one reports the count. A message
that cannot be sent is logged.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections import deque
from collections.abc import Callable

import structlog

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.events import Event
from duckbourse.orders.order import Reason
from duckbourse.settings import EventKind, Settings
from duckbourse.telemetry import webhook

log = structlog.get_logger()

MAX_PER_MINUTE = 20
CLOSE_SECONDS = 20.0
QUEUE_SIZE = 1_000


class Notifier:
    """
    Sends notifications of one account; `on_event` is a listener of its manager.

    `held` returns what an entry holds, in words, by the entry's id.
    """

    def __init__(
        self,
        account: str,
        settings: Settings,
        max_per_minute: int = MAX_PER_MINUTE,
        held: Callable[[str], str] = str,
    ) -> None:
        self._held = held
        self._account = account
        self._settings = settings
        wanted = EventKind.trading in settings.webhook_events
        self._is_on = wanted and bool(webhook.targets(settings))
        self._per_minute = max_per_minute
        self._sent: deque[float] = deque()
        self._dropped_count = 0
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_SIZE)
        self._thread = threading.Thread(target=self._send_all, name="notify", daemon=True)
        if self._is_on:
            self._thread.start()

    def on_event(self, event: Event) -> None:
        """Notify people of an event that matters to them."""
        match event:
            case events.TradingStateChanged(state=state, reason=reason, by=by):
                self.send(f"{state}: {reason} (by {by})")
            case events.ExitTriggered(reason=reason, price=price) if reason is not Reason.TIME:
                self.send(f"{self._held(event.entry_id)}: {reason} at {price.normalize():f}")
            case events.SessionEnded(session_date=day, equity_amount=equity):
                self.send(f"the session of {day} ended with an equity of {equity:,.2f}")
            case events.ExitDelayed():
                self.send(
                    f"{event.symbol}: {event.quantity} not closed {event.seconds} s after its"
                    f" exit ({event.reason}): {event.detail}"
                )
            case events.StopTakenBack(symbol=symbol, detail=detail):
                self.send(f"{symbol}: no stop rests at the broker any more: {detail}")
            case events.PriceSilent(symbol=symbol, seconds=seconds):
                self.send(f"{symbol}: no tick for {seconds} s, while other symbols have some")
            case events.StrategyFailed(strategy=strategy, detail=detail):
                self.send(f"the strategy {strategy} failed and opens nothing more: {detail}")
            case events.FeedChanged(what=what):
                self.send(what)
            case events.Reconciled(differences=differences) if differences:
                self.send(f"the broker differs: {'; '.join(differences)}")
            case events.JournalSalvaged(kept_as=kept):
                self.send(f"the journal was damaged and is kept as {kept}")

    def send(self, text: str) -> None:
        """Send a message, or count it as dropped if this minute already had too many."""
        if not self._is_on:
            return
        now = clock.elapsed_seconds()
        while self._sent and now - self._sent[0] >= 60:
            self._sent.popleft()
        if len(self._sent) >= self._per_minute or self._queue.full():
            self._dropped_count += 1
            return
        self._sent.append(now)
        more = (
            f" ({self._dropped_count} earlier messages were dropped)" if self._dropped_count else ""
        )
        self._dropped_count = 0
        self._queue.put_nowait(f"{self._account}: {text}{more}")

    def close(self) -> None:
        """Send the queued messages and stop."""
        if self._is_on:
            self._queue.put(None)
            self._thread.join(CLOSE_SECONDS)

    def _send_all(self) -> None:
        while (text := self._queue.get()) is not None:
            event = webhook.Event(
                EventKind.trading, text, str(uuid.uuid4()), {"account": self._account}
            )
            for target, problem in webhook.posted(event, self._settings):
                if problem:
                    log.warning("not notified", by=target.name, problem=problem)
