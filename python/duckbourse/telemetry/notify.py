"""
Notifications to people through a webhook, a Telegram chat or both, if they are configured.

A separate thread sends them, so a slow receiver never delays an order. The number per minute is
limited: further messages are dropped and counted, and the next one reports the count. A message
that cannot be sent is logged without its address, which is a secret.
"""

from __future__ import annotations

import queue
import threading
from collections import deque

import httpx
import structlog

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.events import Event
from duckbourse.orders.order import Reason
from duckbourse.settings import Settings

log = structlog.get_logger()

MAX_PER_MINUTE = 20
TIMEOUT_SECONDS = 10.0
QUEUE_SIZE = 1_000


class Notifier:
    """Sends notifications of one account; `on_event` is a listener of its manager."""

    def __init__(
        self, account: str, settings: Settings, max_per_minute: int = MAX_PER_MINUTE
    ) -> None:
        self._account = account
        self._targets = _targets(settings)
        self._per_minute = max_per_minute
        self._sent: deque[float] = deque()
        self._dropped_count = 0
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_SIZE)
        self._thread = threading.Thread(target=self._send_all, name="notify", daemon=True)
        if self._targets:
            self._thread.start()

    def on_event(self, event: Event) -> None:
        """Notify people of an event that matters to them."""
        match event:
            case events.TradingStateChanged(state=state, reason=reason, by=by):
                self.send(f"{state}: {reason} (by {by})")
            case events.ExitTriggered(reason=reason, price=price) if reason is not Reason.TIME:
                self.send(f"{reason} at {price.normalize():f}")
            case events.Reconciled(differences=differences) if differences:
                self.send(f"the broker differs: {'; '.join(differences)}")
            case events.JournalSalvaged(kept_as=kept):
                self.send(f"the journal was damaged and is kept as {kept}")

    def send(self, text: str) -> None:
        """Send a message, or count it as dropped if this minute already had too many."""
        if not self._targets:
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
        if self._targets:
            self._queue.put(None)
            self._thread.join(2 * TIMEOUT_SECONDS)

    def _send_all(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
            while (text := self._queue.get()) is not None:
                for name, address, field, more in self._targets:
                    try:
                        client.post(address, json={field: text, **more}).raise_for_status()
                    except httpx.HTTPStatusError as error:
                        log.warning("not notified", by=name, status=error.response.status_code)
                    except httpx.HTTPError as error:
                        log.warning("not notified", by=name, error=type(error).__name__)


Target = tuple[str, str, str, dict[str, str]]


def _targets(settings: Settings) -> list[Target]:
    found: list[Target] = []
    if settings.webhook_url is not None:
        found.append(("webhook", settings.webhook_url.get_secret_value(), "text", {}))
    if settings.telegram_token is not None and settings.telegram_chat is not None:
        token = settings.telegram_token.get_secret_value()
        address = f"{settings.telegram_url}/bot{token}/sendMessage"
        found.append(("telegram", address, "text", {"chat_id": settings.telegram_chat}))
    return found
