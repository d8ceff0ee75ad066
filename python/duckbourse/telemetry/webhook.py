"""
Events for people, posted as JSON to a webhook, a Telegram chat or both, if they are set.

A webhook gets `text` for people and the event's fields for machines, with the headers of Standard
Webhooks (https://www.standardwebhooks.com), which sign it if there is a secret. The same event has
the same id however often it is sent, so that a receiver can drop a repetition.

Nothing here raises, and nothing waits longer than its limits: a receiver that fails, hangs or
redirects is a problem of one line, without its address, which is a secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from duckbourse import clock
from duckbourse.settings import SIGNED_WITH, EventKind, Settings

TRIES = 3
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 1.0
# for all targets together, however slowly they answer
LIMIT_SECONDS = 30.0
# at its default level it logs nothing; at others, whole addresses
for name in ("httpx", "httpcore"):
    logging.getLogger(name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Event:
    """What happened; `key` is the same whenever it is the same event."""

    kind: EventKind
    text: str
    key: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Where to post; the address is a secret, and `shown` is what may be shown of it."""

    name: str
    shown: str
    address: str = field(repr=False)


def targets(settings: Settings) -> list[Target]:
    """Return where events are posted; nothing is, unless it is set."""
    found = []
    if settings.webhook_url is not None:
        address = settings.webhook_url.get_secret_value()
        found.append(Target("webhook", f"the webhook at {httpx.URL(address).host}", address))
    if settings.telegram_token is not None and settings.telegram_chat is not None:
        token = settings.telegram_token.get_secret_value()
        address = f"{settings.telegram_url}/bot{token}/sendMessage"
        found.append(Target("telegram", "the Telegram chat", address))
    return found


def problems(event: Event, settings: Settings) -> list[str]:
    """
    Post an event to every target; return a line for each that could not be notified.

    This takes LIMIT_SECONDS at most: an answer that takes longer, byte by byte, is not awaited.
    """
    pending = {target.name: target.shown for target in targets(settings)}
    found: list[str] = []

    def post_all() -> None:
        for target, problem in posted(event, settings):
            del pending[target.name]
            if problem:
                found.append(f"{target.shown} was not notified: {problem}")

    thread = threading.Thread(target=post_all, name="webhook", daemon=True)
    thread.start()
    thread.join(LIMIT_SECONDS)
    late = [
        f"{shown} was not notified: no answer in {LIMIT_SECONDS:g} s"
        for shown in list(pending.values())
    ]
    return [*found, *late]


def posted(event: Event, settings: Settings) -> Iterator[tuple[Target, str | None]]:
    """Post an event to each target; yield the target and why it failed, None if it did not."""
    at = clock.now()
    key = f"{socket.gethostname()} {settings.data} {event.kind} {event.key}"
    id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"duckbourse:{key}"))
    payload = {
        "text": event.text,
        "event": event.kind,
        "id": id,
        "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "host": socket.gethostname(),
        "details": event.details,
    }
    for target in targets(settings):
        if target.name == "telegram":
            content: dict[str, Any] = {"text": event.text, "chat_id": settings.telegram_chat}
            headers: dict[str, str] = {}
        else:
            content = payload
            headers = {"webhook-id": id, "webhook-timestamp": str(int(at.timestamp()))}
        body = json.dumps(content, default=str).encode()
        if headers and settings.webhook_secret is not None:
            signature = signed(settings.webhook_secret.get_secret_value(), headers, body)
            headers["webhook-signature"] = signature
        yield target, _post(target.address, body, headers)


def signed(secret: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the signature of Standard Webhooks: that of the id, the time and the body."""
    key = base64.b64decode(secret.removeprefix(SIGNED_WITH))
    head = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    return "v1," + base64.b64encode(hmac.digest(key, head + body, hashlib.sha256)).decode()


def _post(address: str, body: bytes, headers: Mapping[str, str]) -> str | None:
    problem = ""
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE_SECONDS * number)
        try:
            # only the status is read: an answer without end must not be waited for
            with httpx.stream(
                "POST",
                address,
                content=body,
                headers={"content-type": "application/json", **headers},
                timeout=TIMEOUT_SECONDS,
                follow_redirects=False,
            ) as answer:
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            problem = type(error).__name__
            continue
        if 200 <= status < 300:
            return None
        problem = f"status {status}"
        if status < 500 and status != 429:
            return problem  # the same request would fail again
    return f"{problem}, {TRIES} times"
