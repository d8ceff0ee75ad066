"""
A thread beside the trading loop that notifies people when the loop stands still.

A strategy, a check or a subscriber that never returns keeps the loop from its exits, and the loop
cannot say so itself. It looks after the folder of the account, too.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from duckbourse.disk import is_full as is_full_disk
from duckbourse.disk import write_private
from duckbourse.trading.loop import STANDSTILL_SECONDS, Trader
from duckbourse.trading.session_folder import SESSION_FILE
from duckbourse.words import shares

log = structlog.get_logger()

LOOK_SECONDS = 0.5


class Place:
    """
    The folder of an account while a loop trades in it: its disk, and what commands need of it.

    `say` receives each trouble once, and that there is space on the disk again.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._inode = folder.stat().st_ino
        self._session = folder / SESSION_FILE
        self._content = self._session.read_bytes() if self._session.is_file() else None
        self._is_gone = self._is_full = False

    def look(self) -> None:
        """Write a removed description of the session again, and say what is wrong."""
        with suppress(OSError):
            is_gone = not self._folder.is_dir() or self._folder.stat().st_ino != self._inode
            if is_gone and not self._is_gone:
                self._say(
                    f"the folder {self._folder} was moved or removed: no command reaches this loop,"
                    f" process {os.getpid()}, and it opens nothing; stop it by Ctrl-C, put the"
                    " folder back, and trade again"
                )
            self._is_gone = is_gone
            if not is_gone:
                self._look_into()

    def _look_into(self) -> None:
        if (is_full := is_full_disk(self._folder)) != self._is_full:
            self._is_full = is_full
            self._say(
                f"the disk is full: {self._folder} cannot be written, and nothing is opened; exits"
                " go on, and `halt`, `square-off` and `order close` work"
                if is_full
                else f"the disk of {self._folder} has space again"
            )
        if self._content is not None and not self._session.exists():
            write_private(self._session, self._content)
            self._say(f"{self._session} was removed, and is written again: commands need it")


@contextmanager
def watched(
    trader: Trader, notify: Callable[[str], None], look: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """
    Notify of a standstill of the loop while in the block, and when it is over, each once.

    `look` is called now and then.
    """
    ended = threading.Event()

    def watch() -> None:
        is_still = False
        while not ended.wait(LOOK_SECONDS):
            look()
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
