"""One request for rows: its format, its page, and the query it runs within the server's bounds."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

import anyio
import msgspec
import structlog
from anyio import to_thread
from duckdb import DuckDBPyRelation
from fastapi import Depends, Query, Request
from fastapi.dependencies.models import Dependant
from starlette.responses import Response

import duckbourse
from duckbourse import clock
from duckbourse.api.bounds import Bounds
from duckbourse.api.formats import FORMATS, JSON, chosen_format, encode
from duckbourse.api.keyset import CONVERSIONS, OF_ANOTHER, REMEDY, after, key_in, opaque
from duckbourse.api.problems import AGAIN, Refused
from duckbourse.api.reader import Reader
from duckbourse.market import Market
from duckbourse.names import did_you_mean
from duckbourse.warehouse import interrupted_after

T = TypeVar("T")
# of a request: its format, limit, path and query
Identity = tuple[str, str, str, str]
log = structlog.get_logger()
ROWS = 1_000
BUSY = "the server is busy"
# answers that are kept
MOST_KEPT = 10_000
# requests whose answers a newer publication has before it is served, and in how many seconds
MOST_PREPARED = 100
PREPARE_SECONDS = 3


@cache
def code_version() -> str:
    """Return a digest of the package's code: another one may answer otherwise."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(Path(duckbourse.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Answered:
    """An answer, the build that it is of, and the headers that go with it."""

    content: bytes
    build_id: str
    headers: Mapping[str, str]


class Turns:
    """What may run at once, and what waits for that, of one kind."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._slots = anyio.Semaphore(bounds.queries)
        self._threads = anyio.CapacityLimiter(bounds.queries)
        self._waiting = 0

    async def take(self, work: Callable[[], T]) -> T:
        """Run this in a thread when it is its turn; raise Refused if too many wait."""
        if self._waiting >= self._bounds.waiting:
            raise Refused(503, BUSY, "ask again", AGAIN)
        self._waiting += 1
        try:
            with anyio.move_on_after(self._bounds.waiting_seconds) as wait:
                await self._slots.acquire()
        finally:
            self._waiting -= 1
        if wait.cancelled_caught:
            raise Refused(503, BUSY, "ask again", AGAIN)
        try:
            return await to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._slots.release()


class Server:
    """The publication that is served, and the bounds within which it is."""

    def __init__(self, reader: Reader, bounds: Bounds) -> None:
        self.reader, self.bounds = reader, bounds
        self.code = code_version()
        self._turns = Turns(bounds)
        # by ETag, the least recently asked for first; and those that are at work
        self._answers: OrderedDict[str, Answered] = OrderedDict()
        self._kept_bytes = 0
        self._at_work: dict[str, asyncio.Task[Answered]] = {}
        # the least recently asked again first, whatever the build
        self._asked_again: OrderedDict[Identity, Callable[[Market], Answered]] = OrderedDict()
        # answers are prepared in another thread
        self._lock = Lock()
        reader.prepare = self._prepare

    def tag(self, build_id: str, identity: Identity) -> str:
        """Return the ETag of the answer to a request, of a build."""
        digest = hashlib.blake2b("\n".join((self.code, build_id, *identity)).encode())
        return f'"{digest.hexdigest()[:32]}"'

    async def answer(
        self, identity: Identity, build_id: str, work: Callable[[Market], Answered]
    ) -> Answered:
        """Return an answer of a build, asked of DuckDB once for all who send the same request."""
        tag = self.tag(build_id, identity)
        with self._lock:
            if (kept := self._answers.get(tag)) is not None:
                self._answers.move_to_end(tag)
        if kept is not None:
            self.prepare_later(identity, work)
            return kept
        task = self._at_work.get(tag)
        if task is None:
            task = asyncio.create_task(self.run(work))
            self._at_work[tag] = task
            task.add_done_callback(lambda done: self._end(tag, build_id, done))
        # whoever goes away takes it from nobody else
        return await asyncio.shield(task)

    def prepare_later(self, identity: Identity, work: Callable[[Market], Answered]) -> None:
        """Let the next publication have the answer to a request that was sent again."""
        with self._lock:
            self._asked_again[identity] = work
            self._asked_again.move_to_end(identity)
            if len(self._asked_again) > MOST_PREPARED:
                self._asked_again.popitem(last=False)

    def _end(self, tag: str, build_id: str, task: asyncio.Task[Answered]) -> None:
        del self._at_work[tag]
        if task.cancelled() or task.exception() is not None:
            return
        found = task.result()
        # a newer publication may have come in between, of which the tag is not
        if found.build_id == build_id:
            self._keep(tag, found)

    def _keep(self, tag: str, found: Answered) -> None:
        most = self.bounds.kept_bytes
        with self._lock:
            if tag in self._answers or len(found.content) > most // 8:
                return
            self._answers[tag] = found
            self._kept_bytes += len(found.content)
            while self._kept_bytes > most or len(self._answers) > MOST_KEPT:
                _, former = self._answers.popitem(last=False)
                self._kept_bytes -= len(former.content)

    def _prepare(self, market: Market) -> None:
        # nobody waits for it: the former publication is served meanwhile
        until = clock.elapsed_seconds() + PREPARE_SECONDS
        with self._lock:
            asked = [*reversed(self._asked_again.items())]
        for identity, work in asked:
            began = clock.elapsed_seconds()
            left = until - began
            if left <= 0:
                return
            try:
                with interrupted_after(market.connection, left):
                    found = work(market)
            except Exception as error:  # whoever asks again gets the reason
                log.debug("an answer was not prepared", kind=type(error).__name__)
                continue
            self._keep(self.tag(found.build_id, identity), found)
            # half of a processor, at most: those who ask now go first
            time.sleep(clock.elapsed_seconds() - began)

    async def run(self, work: Callable[[Market], T]) -> T:
        """Run queries on the newest publication in a thread; raise Refused if too many wait."""
        return await self._turns.take(partial(self.reader.read, work, self.bounds.seconds))


Limit = Annotated[
    int, Query(ge=1, description="Rows of a page; a server may allow fewer.", examples=[100])
]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=3_000,
        description="Where the page begins, from the Link header of the page before.",
    ),
]
Order = Annotated[
    Literal["ascending", "descending"],
    Query(description="Order of the key.", examples=["descending"]),
]


@dataclass(frozen=True)
class Asked:
    """A GET of rows."""

    request: Request
    server: Server
    limit: int
    cursor: str | None
    order: str
    format: str

    async def rows(
        self,
        make: Callable[[Market], DuckDBPyRelation],
        key: Sequence[str],
        *,
        nullable: Collection[str] = (),
        reads_clock: bool = False,
    ) -> Response:
        """
        Return a page of the rows that `make` asks for, in the order of a unique key.

        Columns of the key that are `nullable` may be NULL, which comes first.
        Rows that depend on the time of the request, such as lateness, have no ETag.
        """
        resource = f"{self.request.url.path} {self.order}"
        values = key_in(self.cursor, resource) if self.cursor else None

        def work(market: Market) -> Answered:
            descends = self.order == "descending"
            found = after(make(market), key, values, descends=descends, nullable=nullable)
            try:
                page = encode(found, self.format, limit=self.limit, key=key)
            except CONVERSIONS as error:
                if values is None:
                    raise
                raise Refused(400, OF_ANOTHER, REMEDY) from error
            headers = {"x-row-count": str(page.row_count)}
            if page.next_key is not None:
                following = self._next(opaque(resource, page.next_key))
                headers["link"] = f'<{following}>; rel="next"'
            return Answered(page.content, str(market.record["build_id"]), headers)

        return await self._respond(work, self.format, reads_clock=reads_clock)

    async def answer(
        self, make: Callable[[Market], Mapping[str, Any]], *, reads_clock: bool = False
    ) -> Response:
        """Return an answer that is not a table, as JSON; `reads_clock` as in `rows`."""

        def work(market: Market) -> Answered:
            content = msgspec.json.encode(make(market))
            return Answered(content, str(market.record["build_id"]), {})

        return await self._respond(work, JSON, reads_clock=reads_clock)

    async def _respond(
        self, work: Callable[[Market], Answered], kind: str, *, reads_clock: bool
    ) -> Response:
        if reads_clock:
            found = await self.server.run(work)
        else:
            # in a thread: a newer publication is opened there
            build_id = await to_thread.run_sync(lambda: self.server.reader.build_id)
            headers = self._headers(build_id, reads_clock=False)
            given = self.request.headers.get("if-none-match", "").split(",")
            if headers["etag"] in {tag.strip().removeprefix("W/") for tag in given}:
                self.server.prepare_later(self._identity(), work)
                return Response(status_code=304, headers=headers)
            found = await self.server.answer(self._identity(), build_id, work)
        headers = self._headers(found.build_id, reads_clock=reads_clock) | {**found.headers}
        return Response(found.content, media_type=kind, headers=headers)

    def _headers(self, build_id: str, *, reads_clock: bool) -> dict[str, str]:
        headers = {"vary": "Accept, Authorization", "x-build-id": build_id}
        if reads_clock:
            return headers | {"cache-control": "no-store"}
        etag = self.server.tag(build_id, self._identity())
        return headers | {"etag": etag, "cache-control": "private, no-cache"}

    def _identity(self) -> Identity:
        scope = self.request.scope
        path, query = (scope[part].decode("latin-1") for part in ("raw_path", "query_string"))
        return self.format, str(self.limit), path, query

    def _next(self, cursor: str) -> str:
        others = [each for each in self.request.query_params.multi_items() if each[0] != "cursor"]
        path = self.request.scope["raw_path"].decode("latin-1")
        return f"{path}?{urlencode([*others, ('cursor', cursor)])}"


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


def refuse_unknown_parameters(request: Request) -> None:
    """Raise Refused for a parameter that the address does not take, or that is given twice."""
    taken = _parameters(request.scope["route"].dependant)
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in taken:
            names = ", ".join(taken) or "none"
            raise Refused(
                422,
                f"there is no parameter {name[:100]!r}{did_you_mean(name[:100], taken)}",
                f"its parameters are {names}",
            )
        if name in seen:
            raise Refused(422, f"the parameter {name} is given twice", "give it once")
        seen.add(name)


def _parameters(of: Dependant) -> list[str]:
    own = [each.alias for each in of.query_params]
    return own + [name for each in of.dependencies for name in _parameters(each)]


def _asked(
    request: Request,
    limit: Limit = ROWS,
    cursor: Cursor = None,
    order: Order = "ascending",
) -> Asked:
    refuse_unknown_parameters(request)
    server = _server(request)
    kind = chosen_format(request.headers.get("accept", ""), FORMATS)
    return Asked(request, server, min(limit, server.bounds.rows), cursor, order, kind)


def _asked_for_json(request: Request) -> Asked:
    kind = chosen_format(request.headers.get("accept", ""), (JSON,))
    return Asked(request, _server(request), 0, None, "", kind)


Rows = Annotated[Asked, Depends(_asked)]
Answer = Annotated[Asked, Depends(_asked_for_json)]
