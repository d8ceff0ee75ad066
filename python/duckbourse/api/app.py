"""The application of `./bourse serve`: resources, pages, the live session, and the front end."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from duckbourse.api import live
from duckbourse.api.asking import Answer, Server, Turns
from duckbourse.api.bounds import Bounds, Tokens
from duckbourse.api.formats import FORMATS, chosen_format
from duckbourse.api.gate import Gate, unknown_route
from duckbourse.api.others import Others, Query
from duckbourse.api.problems import Refused, problem, problem_of
from duckbourse.api.reader import Reader
from duckbourse.api.resources import REFUSALS, documented, router
from duckbourse.errors import BourseError
from duckbourse.pages import NotHere, answer, reads_clock
from duckbourse.warehouse import Limits

pages = APIRouter()
TITLE = "duckbourse"
DESCRIPTION = """
A publication of duckbourse, and the trading loops of this machine. Rows come as JSON, CSV, an Arrow
stream or Parquet, by the Accept header. In JSON a DECIMAL is text, an integer beyond 2^53 - 1 is
text, and NULL, NaN and infinities are null. Returns are fractions, VaR is a positive loss, `_ts` is
exchange-local and `_at` UTC. The Link header has the next page, and the ETag is that of the build.
"""


@pages.get(
    "/api/pages/{address:path}",
    summary="What a page of the front end shows",
    response_class=Response,
    responses={
        200: {
            "description": "The answer, with the SQL of each panel.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        304: {"description": "Not modified."},
        **REFUSALS,
    },
)
async def page(asked: Answer, address: str) -> Response:
    scope = asked.request.scope
    path = scope["raw_path"].decode("latin-1").removeprefix("/api/pages")
    query = scope["query_string"].decode("latin-1")
    return await asked.answer(
        lambda market: answer(market.connection, f"{path}?{query}" if query else path),
        reads_clock=reads_clock(path),
    )


def sql_routes(others: Others) -> APIRouter:
    """Return the address that answers SQL of others, in processes of its own."""
    routes = APIRouter()
    turns = Turns(others.bounds)

    @routes.post(
        "/api/v1/sql",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["query"],
                            "additionalProperties": False,
                            "properties": {
                                "query": {"type": "string"},
                                "values": {"type": "object"},
                                "limit": {"type": "integer", "minimum": 1},
                            },
                        },
                        "example": {
                            "query": "from signals_on($day)",
                            "values": {"day": "2010-05-28"},
                        },
                    }
                },
            }
        },
        **documented("The rows of a query", symbol="MMM"),
    )
    async def sql(request: Request) -> Response:
        kind = chosen_format(request.headers.get("accept", ""), FORMATS)
        asked = await live.body_of(request, Query)
        if asked.limit < 1:
            raise Refused(
                422, f"a limit of {asked.limit} is not a number of rows", "give 1 or more"
            )
        reply = await turns.take(partial(others.ask, asked, kind))
        headers = {"cache-control": "no-store", **reply.headers}
        return Response(reply.content, reply.status, headers)

    return routes


def create_app(
    published: Path,
    tokens: Tokens,
    names: Sequence[str],
    *,
    bounds: Bounds | None = None,
    allow_sql: bool = False,
    metrics_port: int | None = None,
    front_end: Traversable | None = None,
) -> FastAPI:
    """
    Return the application that serves a publication to clients that call the server by `names`.

    Raise PublicationError if nothing is published. `metrics_port` is that of a trading loop, whose
    metrics and health the live page shows; `front_end` is the folder of the files of `/`.
    """
    bounds = bounds or Bounds()
    limits = Limits(bounds.memory, bounds.threads)
    reader = Reader(published, limits)
    others = Others(published, bounds) if allow_sql else None
    server = Server(reader, bounds)
    watch = live.Watch(reader, bounds, metrics_port)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(watch.run())
        try:
            yield
        finally:
            task.cancel()
            watch.end()
            if others:
                others.close()
            reader.close()

    app = FastAPI(
        title=TITLE,
        version="1",
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.server = server
    app.state.watch = watch
    app.include_router(router)
    app.include_router(live.router)
    app.include_router(pages)
    if others:
        app.include_router(sql_routes(others))
    _handle_errors(app)
    _serve_files(app, files("duckbourse") / "web" if front_end is None else front_end)
    app.add_middleware(Gate, bounds=bounds, tokens=tokens, names=names)
    return app


def _handle_errors(app: FastAPI) -> None:
    async def known(_: Request, error: Exception) -> Response:
        return problem_of(error)

    async def unknown(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return unknown_route(error.status_code)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = first["loc"][-1]
        return problem(
            422, f"{place} is not usable: {first['msg']}", "GET /api/v1/openapi.json has its values"
        )

    for kind in (Refused, BourseError, NotHere):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(RequestValidationError, invalid)


def _serve_files(app: FastAPI, folder: Traversable) -> None:
    """Serve the files that a folder has now, and no others: a path is only ever looked up."""
    found: dict[str, tuple[bytes, str, str]] = {}

    def add(place: Traversable, path: str) -> None:
        for each in place.iterdir():
            if each.is_dir():
                add(each, f"{path}{each.name}/")
            else:
                content = each.read_bytes()
                kind = mimetypes.guess_type(each.name)[0] or "text/plain"
                tag = f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
                found[f"{path}{each.name}"] = content, kind, tag

    if folder.is_dir():
        add(folder, "")

    @app.get("/{path:path}", include_in_schema=False)
    async def front_end(request: Request, path: str) -> Response:
        kept = found.get(path or "index.html")
        if kept is None or path.startswith("api/"):
            return unknown_route(404)
        content, kind, tag = kept
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)
