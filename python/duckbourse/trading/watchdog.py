"""
A thread beside the trading loop that notifies people when the loop stands still.

A strategy, a check or a subscriber that never returns keeps the loop from its exits, and the loop
cannot say so itself.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from duckbourse.trading.loop import STANDSTILL_SECONDS, Trader
from duckbourse.words import shares

log = structlog.get_logger()

LOOK_SECONDS = 0.5


@contextmanager
def watched(trader: Trader, notify: Callable[[str], None]) -> Iterator[None]:
    """Notify of a standstill of the loop while in the block, and when it is over, each once."""
    ended = threading.Event()

    def watch() -> None:
        is_still = False
        while not ended.wait(LOOK_SECONDS):
            thread, seconds = trader.thread, trader.seconds_since_pass()
            if thread is None or (seconds > STANDSTILL_SECONDS) == is_still:
                continue
            is_still = not is_still
            text = _standstill(trader, thread, seconds) if is_still else "the loop goes on again"
            log.warning("standstill", text=text)
            notify(text)

    watcher = threading.Thread(target=watch, name="watchdog", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _standstill(trader: Trader, thread: int, seconds: float) -> str:
    positions = list(trader.book.positions.values())
    held = [shares(each.symbol, each.quantity) for each in positions if each.quantity]
    return (
        f"the loop has stood still for {seconds:.0f} s{_place(thread)}; no stop is watched of"
        f" {', '.join(held) or 'anything, and nothing is held'}"
    )


def _place(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    if frame is None:
        return ""
    last = traceback.extract_stack(frame)[-1]
    return f" in {last.name} ({Path(last.filename).name}, line {last.lineno})"
