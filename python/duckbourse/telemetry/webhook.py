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
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from duckbourse import clock
from duckbourse.settings import SIGNED_WITH, EventKind, Settings

TRIES = 3
# of each try, however slowly its answer comes
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 1.0
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
    """Post an event to every target; return a line for each that could not be notified."""
    return [
        f"{target.shown} was not notified: {problem}"
        for target, problem in posted(event, settings)
        if problem
    ]


def posted(event: Event, settings: Settings) -> list[tuple[Target, str | None]]:
    """
    Post an event to all targets at once; return each with why it failed, None if it did not.

    However they answer, this takes no longer than the tries of one target and the pauses between.
    """
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
    body = _json(payload)
    headers = {"webhook-id": id, "webhook-timestamp": str(int(at.timestamp()))}
    if settings.webhook_secret is not None:
        signature = signed(settings.webhook_secret.get_secret_value(), headers, body)
        headers["webhook-signature"] = signature

    def post(target: Target) -> str | None:
        if target.name == "telegram":
            message = {"text": event.text, "chat_id": settings.telegram_chat}
            return _post(target.address, _json(message), {})
        return _post(target.address, body, headers)

    to = targets(settings)
    with ThreadPoolExecutor(max_workers=len(to) or 1) as threads:
        return list(zip(to, threads.map(post, to), strict=True))


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, default=str).encode()


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
        answer = _answer(address, body, headers)
        if isinstance(answer, str):
            problem = answer
            continue
        if 200 <= answer < 300:
            return None
        problem = f"status {answer}"
        if answer < 500 and answer != 429:
            return problem  # the same request would fail again
    return f"{problem}, {TRIES} times"


def _answer(address: str, body: bytes, headers: Mapping[str, str]) -> int | str:
    """Return the status of the answer, or why there is none within TIMEOUT_SECONDS."""
    too_late = f"no answer in {TIMEOUT_SECONDS:g} s"
    found: list[int | str] = []

    def post() -> None:
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
                found.append(answer.status_code)
        except httpx.TimeoutException:
            found.append(too_late)
        except httpx.ConnectError:
            found.append("no connection")
        except (httpx.HTTPError, OSError):
            found.append("the connection broke off")
        except (httpx.InvalidURL, ValueError):
            found.append("its address is not usable")

    # httpx limits the time between two bytes, and not that of looking up a name
    thread = threading.Thread(target=post, name="webhook", daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    return found[0] if found else too_late
