"""
The newest publication, opened once and shared: each query has a cursor of it to itself.

A publication that was replaced stays open until its last query has ended, so that a build that
publishes drops no request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import duckdb
import structlog

from duckbourse import clock
from duckbourse.api.keyset import CONVERSIONS
from duckbourse.api.problems import AGAIN, Refused
from duckbourse.errors import BadArgument, BadQuery, BourseError, PublicationError
from duckbourse.market import Market, stamp_of
from duckbourse.warehouse import Limits, interrupted_after, one_line

T = TypeVar("T")
log = structlog.get_logger()

# a file that could not be opened is looked at again after so long, or when it is another one
AGAIN_SECONDS = 5
# what leaves DuckDB unable to answer anything more
FATAL = (duckdb.FatalException, duckdb.InternalException)
# what a file that is damaged raises, besides duckdb.Error itself
OF_FILE = (duckdb.IOException, duckdb.SerializationException, *FATAL)


class _Shared:
    """One open publication, and the markets on it that nobody uses at the moment."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.idle: list[Market] = []
        self.used_count = 0
        self.is_retired = False
        self.is_broken = False

    def unused(self) -> list[Market]:
        """Take out what nobody uses, to be closed in this order."""
        found, self.idle = self.idle[::-1], []
        if self.is_retired and not self.used_count:
            found.append(self.market)
        return found


class Reader:
    """
    Gives each thread a market of the newest publication.

    Raise PublicationError if nothing is published. A file that cannot be read later, or is gone,
    is logged once, and the publication that is open goes on. While one thread opens a newer
    publication, and does with it what `prepare` says, the others go on with the former one.
    """

    # what is done with a publication before it is lent; it raises nothing
    prepare: Callable[[Market], None] | None = None

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._shared = _Shared(Market(path, limits))
        self._is_closed = False
        self._problem = ""
        # the file that could not be opened, and when it is tried again
        self._unopened: tuple[tuple[int, int], float] | None = None

    @property
    def build_id(self) -> str:
        """The build of the publication that is open, after looking for a newer one."""
        self._refresh()
        with self._lock:
            return str(self._shared.market.record["build_id"])

    @contextmanager
    def market(self) -> Iterator[Market]:
        """Lend a market of the newest publication, which stays the same until the block ends."""
        self._refresh()
        with self._lock:
            shared = self._shared
            market = shared.idle.pop() if shared.idle else shared.market.twin()
            shared.used_count += 1
        try:
            yield market
        except FATAL:
            shared.is_broken = True
            raise
        finally:
            with self._lock:
                shared.used_count -= 1
                shared.idle.append(market)
                unused = shared.unused() if shared.is_retired else []
            _close(unused)

    def read(self, work: Callable[[Market], T], seconds: float) -> T:
        """Return what work makes of the newest publication within so many seconds, or say why."""
        try:
            with self.market() as market, interrupted_after(market.connection, seconds):
                return work(market)
        except duckdb.InterruptException as error:
            raise too_long(seconds) from error
        except (duckdb.OutOfMemoryException, MemoryError) as error:
            raise Refused(
                503, "it needs more memory than there is", "ask for less", AGAIN
            ) from error
        except duckdb.CatalogException as error:
            raise Refused(404, one_line(error), "`./bourse build` publishes it") from error
        except (duckdb.BinderException, BadQuery) as error:
            # the queries are our own, so the file has other tables or columns
            log.warning("the publication is of another version", problem=str(error))
            raise PublicationError(
                "the published file is of another version of duckbourse",
                "run `./bourse build`, which publishes it again",
            ) from error
        except CONVERSIONS as error:
            raise BadArgument(one_line(error).partition("Error: ")[2]) from error
        except duckdb.Error as error:
            if not (isinstance(error, OF_FILE) or type(error) is duckdb.Error):
                raise
            # its text has the file's path
            log.error("the published file cannot be read", problem=one_line(error))
            raise PublicationError(
                "the published file cannot be read: it is damaged, or its disk is",
                "run `./bourse build`, which publishes it again",
            ) from error

    def close(self) -> None:
        """Close the publication when its last query has ended."""
        with self._lock:
            self._is_closed = True
            unused = self._retire(self._shared)
        _close(unused)

    def _refresh(self) -> None:
        if not self._opening.acquire(blocking=False):
            return
        try:
            newer = self._newer()
        except BourseError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.warning("the publication that is open goes on", problem=self._problem)
            return
        finally:
            self._opening.release()
        if newer is None:
            return
        self._problem = ""
        with self._lock:
            former, self._shared = self._shared, _Shared(newer)
            unused = self._retire(former)
            if self._is_closed:
                unused += self._retire(self._shared)
        _close(unused)

    def _newer(self) -> Market | None:
        shared = self._shared
        stamp = stamp_of(self._path)
        if self._is_closed or (shared.market.stamp == stamp and not shared.is_broken):
            return None
        now = clock.elapsed_seconds()
        unopened, again_at = self._unopened or (None, now)
        if unopened == stamp and now < again_at:
            return None
        self._unopened = stamp, now + AGAIN_SECONDS
        newer = Market(self._path, self._limits)
        if "build_id" not in newer.record:
            newer.close()
            raise PublicationError(f"{self._path} does not say which build it is of")
        self._unopened = None
        if self.prepare is not None:
            self.prepare(newer)
        return newer

    def _retire(self, shared: _Shared) -> list[Market]:
        shared.is_retired = True
        return shared.unused()


def _close(markets: Sequence[Market]) -> None:
    """Close these in a thread: a large file takes a while, for which nobody waits."""

    def close() -> None:
        for market in markets:
            with suppress(BourseError):
                market.close()

    if markets:
        threading.Thread(target=close, name="close").start()


def too_long(seconds: float) -> Refused:
    """Return the error for a query that took more than its seconds."""
    return Refused(503, f"it took more than {seconds:g} s", "ask for less", AGAIN)


def is_ours(error: duckdb.Error) -> bool:
    """Return whether a query failed for want of time, memory or a sound file, and not by itself."""
    ours = (duckdb.InterruptException, duckdb.OutOfMemoryException, *OF_FILE)
    return isinstance(error, ours) or type(error) is duckdb.Error
