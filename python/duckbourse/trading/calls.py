"""Calls to a broker that are made side by side: none waits for the answer to another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Calls:
    """
    The calls at work, by their keys; `wait` waits `patience_seconds` for their answers.

    If that is None, each call is made in turn, to its end, as a replay must. A call must not raise;
    one that was cancelled ends none of the others.
    """

    def __init__(self, patience_seconds: float | None) -> None:
        self._patience = patience_seconds
        self._tasks: dict[str, asyncio.Future[None]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._tasks and not self._tasks[key].done()

    async def start(self, key: str, call: Callable[[], Awaitable[None]]) -> None:
        """Begin a call, unless one of this key is at work; the next one sees what it recorded."""
        if self._patience is None:
            await call()
        elif key not in self:
            self._tasks[key] = asyncio.ensure_future(call())
            await asyncio.sleep(0)  # it runs until it waits

    async def wait(self) -> None:
        """Wait for the answers, but not longer than the patience."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._patience)
            self._tasks = {key: task for key, task in self._tasks.items() if not task.done()}

    async def end(self) -> None:
        """Wait until all calls have ended; each has a time-out of its own."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
