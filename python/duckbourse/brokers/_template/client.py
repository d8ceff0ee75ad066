"""What the example broker is asked over the wire; a real one sends these as HTTP requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from duckbourse.errors import BrokerRejected, BrokerUnclear

OK, REQUEST_TIMEOUT, TOO_MANY = 200, 408, 429


class Transport(Protocol):
    """A connection to the broker, such as one of httpx with a web socket."""

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        """Return the status and the body of an answer; raise OSError if none arrives."""

    def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Return the messages of the broker's socket; raise OSError if it breaks."""


class Client:
    """
    Asks the broker, and says which answers are a refusal.

    It retries nothing. A request that the broker refused with 4xx and an error of its own was not
    carried out. Whatever else goes wrong may have happened after the broker acted on it: 408 is a
    gateway's word for a time-out, and so is a page that is no answer of the broker.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, path: str) -> Any:
        return await self._answer("GET", path)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._answer("POST", path, body)

    async def delete(self, path: str) -> Any:
        return await self._answer("DELETE", path)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Return the messages of the socket; raise BrokerUnclear if it breaks."""
        try:
            async for message in self._transport.messages():
                yield message
        except OSError as error:
            raise BrokerUnclear(f"the socket broke: {error}") from error

    async def _answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            status, found = await self._transport.request(method, path, body)
        except OSError as error:
            raise BrokerUnclear(f"{method} {path}: {error}") from error
        said = f"{method} {path}: {status} {found!r:.200}"
        if _is_refusal(status, found):
            raise BrokerRejected(said)
        if status != OK or not isinstance(found, dict) or "data" not in found:
            raise BrokerUnclear(said)
        return found["data"]


def _is_refusal(status: int, found: Any) -> bool:
    """Return whether the broker says that it did not act on a request."""
    if status == TOO_MANY:  # before anybody looked at it
        return True
    is_its_own = isinstance(found, dict) and "error" in found
    return 400 <= status < 500 and status != REQUEST_TIMEOUT and is_its_own
