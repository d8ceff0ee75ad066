"""
An event loop whose seconds are counted, not waited for.

While there is something to do, no time passes. Once there is nothing, the time is that of the next
timer, at once. So a test of seconds takes none, and finds the same on a machine of any speed.
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
# what was written to a socket of this machine is there by then
ON_ITS_WAY_SECONDS = 0.001


class CountedLoop(asyncio.SelectorEventLoop):
    """Its sockets are real, and it knows nothing of what other threads are doing."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.seconds

    def stand_still(self, seconds: float) -> None:
        """Let so much time pass in which nobody hears or says anything."""
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
        found = super().select(min(timeout, ON_ITS_WAY_SECONDS))
        if not found and timeout > 0:
            self._loop.seconds += timeout
        return found


def run_counted(main: Callable[[CountedLoop], Coroutine[Any, Any, T]]) -> T:
    """Run it on such a loop, whose seconds `duckbourse.clock` shows too."""
    with asyncio.Runner(loop_factory=CountedLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, CountedLoop)
        began = clock.now()
        with (
            clock.driven_by(lambda: began + timedelta(seconds=loop.seconds)),
            clock.counted_by(loop.time),
        ):
            return runner.run(main(loop))
