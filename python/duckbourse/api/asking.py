"""One request for rows: its format, its page, and the query it runs within the server's bounds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

import anyio
import duckdb
import msgspec
import structlog
from anyio import to_thread
from duckdb import DuckDBPyRelation
from fastapi import Depends, Query, Request
from fastapi.dependencies.models import Dependant
from starlette.responses import Response

import duckbourse
from duckbourse.api.bounds import Bounds
from duckbourse.api.formats import FORMATS, JSON, Encoded, chosen_format, encode
from duckbourse.api.keyset import CONVERSIONS, OF_ANOTHER, REMEDY, after, key_in, opaque
from duckbourse.api.problems import Refused
from duckbourse.api.reader import FATAL, Reader
from duckbourse.errors import BadArgument, BadQuery, PublicationError
from duckbourse.market import Market
from duckbourse.names import did_you_mean
from duckbourse.warehouse import interrupted_after, one_line

T = TypeVar("T")
log = structlog.get_logger()
ROWS = 1_000
BUSY = "the server is busy"
AGAIN = {"retry-after": "1"}
# what a file that is damaged raises, besides duckdb.Error itself
OF_FILE = (duckdb.IOException, duckdb.SerializationException, *FATAL)


@cache
def code_version() -> str:
    """Return a digest of the package's code: another one may answer otherwise."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(Path(duckbourse.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


class Server:
    """The publication that is served, and the bounds within which it is."""

    def __init__(self, reader: Reader, bounds: Bounds) -> None:
        self.reader, self.bounds = reader, bounds
        self.code = code_version()
        self._slots = anyio.Semaphore(bounds.queries)
        self._threads = anyio.CapacityLimiter(bounds.queries)
        self._waiting = 0

    async def run(self, work: Callable[[Market], T]) -> T:
        """Run queries on the newest publication in a thread; raise Refused if too many wait."""
        if self._waiting >= self.bounds.waiting:
            raise Refused(503, BUSY, "ask again", AGAIN)
        self._waiting += 1
        try:
            with anyio.move_on_after(self.bounds.waiting_seconds) as wait:
                await self._slots.acquire()
        finally:
            self._waiting -= 1
        if wait.cancelled_caught:
            raise Refused(503, BUSY, "ask again", AGAIN)
        try:
            return await to_thread.run_sync(partial(self._work, work), limiter=self._threads)
        finally:
            self._slots.release()

    def _work(self, work: Callable[[Market], T]) -> T:
        try:
            with (
                self.reader.market() as market,
                interrupted_after(market.connection, self.bounds.seconds),
            ):
                return work(market)
        except duckdb.InterruptException as error:
            raise Refused(
                503, f"it took more than {self.bounds.seconds:g} s", "ask for less", AGAIN
            ) from error
        except duckdb.OutOfMemoryException as error:
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
        if kept := await self._not_modified(reads_clock=reads_clock):
            return kept

        def work(market: Market) -> tuple[Encoded, str]:
            descends = self.order == "descending"
            found = after(make(market), key, values, descends=descends, nullable=nullable)
            try:
                page = encode(found, self.format, limit=self.limit, key=key)
            except CONVERSIONS as error:
                if values is None:
                    raise
                raise Refused(400, OF_ANOTHER, REMEDY) from error
            return page, str(market.record["build_id"])

        page, build_id = await self.server.run(work)
        headers = self._headers(build_id, reads_clock=reads_clock)
        headers["x-row-count"] = str(page.row_count)
        if page.next_key is not None:
            headers["link"] = f'<{self._next(opaque(resource, page.next_key))}>; rel="next"'
        return Response(page.content, media_type=self.format, headers=headers)

    async def answer(
        self, make: Callable[[Market], Mapping[str, Any]], *, reads_clock: bool = False
    ) -> Response:
        """Return an answer that is not a table, as JSON; `reads_clock` as in `rows`."""
        if kept := await self._not_modified(reads_clock=reads_clock):
            return kept

        def work(market: Market) -> tuple[bytes, str]:
            return msgspec.json.encode(make(market)), str(market.record["build_id"])

        content, build_id = await self.server.run(work)
        headers = self._headers(build_id, reads_clock=reads_clock)
        return Response(content, media_type=JSON, headers=headers)

    async def _not_modified(self, *, reads_clock: bool) -> Response | None:
        given = self.request.headers.get("if-none-match")
        if not given or reads_clock:
            return None
        # in a thread: a newer publication is opened there
        build_id = await to_thread.run_sync(lambda: self.server.reader.build_id)
        headers = self._headers(build_id, reads_clock=False)
        tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
        return Response(status_code=304, headers=headers) if headers["etag"] in tags else None

    def _headers(self, build_id: str, *, reads_clock: bool) -> dict[str, str]:
        headers = {"vary": "Accept, Authorization", "x-build-id": build_id}
        if reads_clock:
            return headers | {"cache-control": "no-store"}
        scope = self.request.scope
        asked = (
            *(self.server.code, build_id, self.format, str(self.limit)),
            *(scope[part].decode("latin-1") for part in ("raw_path", "query_string")),
        )
        digest = hashlib.blake2b("\n".join(asked).encode(), digest_size=16).hexdigest()
        return headers | {"etag": f'"{digest}"', "cache-control": "private, no-cache"}

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
