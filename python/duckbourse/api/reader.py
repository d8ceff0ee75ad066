"""
The newest publication, opened once and shared: each query has a cursor of it to itself.

A publication that was replaced stays open until its last query has ended, so that a build that
publishes drops no request.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from duckbourse.errors import BourseError
from duckbourse.market import Market
from duckbourse.warehouse import Limits

log = structlog.get_logger()


class _Shared:
    """One open publication, and the markets on it that nobody uses at the moment."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.idle: list[Market] = []
        self.used_count = 0
        self.is_retired = False

    def close_unused(self) -> None:
        while self.idle:
            self.idle.pop().close()
        if self.is_retired and not self.used_count:
            self.market.close()


class Reader:
    """
    Gives each thread a market of the newest publication.

    Raise PublicationError if nothing is published. A file that cannot be read later, or is gone,
    is logged once, and the publication that is open goes on.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._lock = threading.Lock()
        self._shared = _Shared(Market(path, limits))
        self._problem = ""

    @property
    def build_id(self) -> str:
        """The build of the publication that is open, after looking for a newer one."""
        with self._lock:
            self._refresh()
            return str(self._shared.market.record["build_id"])

    @contextmanager
    def market(self) -> Iterator[Market]:
        """Lend a market of the newest publication, which stays the same until the block ends."""
        with self._lock:
            self._refresh()
            shared = self._shared
            market = shared.idle.pop() if shared.idle else shared.market.twin()
            shared.used_count += 1
        try:
            yield market
        finally:
            with self._lock:
                shared.used_count -= 1
                shared.idle.append(market)
                if shared.is_retired:
                    shared.close_unused()

    def close(self) -> None:
        """Close the publication when its last query has ended."""
        with self._lock:
            self._retire(self._shared)

    def _refresh(self) -> None:
        try:
            if self._shared.market.is_newest:
                return
            newer = Market(self._path, self._limits)
        except BourseError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.warning("the publication that is open goes on", problem=self._problem)
            return
        self._problem = ""
        former, self._shared = self._shared, _Shared(newer)
        self._retire(former)

    def _retire(self, shared: _Shared) -> None:
        shared.is_retired = True
        with suppress(BourseError):
            shared.close_unused()
