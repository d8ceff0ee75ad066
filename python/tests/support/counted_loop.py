"""
An event loop that counts seconds instead of waiting for them.

While there is work, no time passes. When there is none, the clock jumps to the next timer. A test
of seconds therefore takes no time, and behaves the same on machines of any speed.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from duckbourse import clock
from tests.support.waiting import HANG_SECONDS

T = TypeVar("T")
# data written to a local socket has arrived by then
ON_ITS_WAY_SECONDS = 0.001


class CountedLoop(asyncio.SelectorEventLoop):
    """A loop with real sockets, for which it waits `arrival_seconds`; it ignores other threads."""

    def __init__(self, arrival_seconds: float = ON_ITS_WAY_SECONDS) -> None:
        self.seconds = 0.0
        self.arrival_seconds = arrival_seconds
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.seconds

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads in their own time: seconds that are counted pass at once."""
        await super().shutdown_default_executor()

    def stand_still(self, seconds: float) -> None:
        """Let this much time pass without any message."""
        self.seconds += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: CountedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            found = super().select(HANG_SECONDS)
            assert found, "nothing is going to happen any more"
            return found
        found = super().select(min(timeout, self._loop.arrival_seconds))
        if not found and timeout > 0:
            self._loop.seconds += timeout
        return found


def run_counted(
    main: Callable[[CountedLoop], Coroutine[Any, Any, T]],
    arrival_seconds: float = ON_ITS_WAY_SECONDS,
) -> T:
    """Run a coroutine on such a loop, with `duckbourse.clock` on the same seconds."""
    with asyncio.Runner(loop_factory=lambda: CountedLoop(arrival_seconds)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, CountedLoop)
        began = clock.now()
        with (
            clock.driven_by(lambda: began + timedelta(seconds=loop.seconds)),
            clock.counted_by(loop.time),
        ):
            return runner.run(main(loop))
