"""Errors as `application/problem+json`: one line on what is wrong, and what to do."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from starlette.responses import Response

from duckbourse.errors import (
    BadArgument,
    BadQuery,
    BourseError,
    ConfigurationError,
    NoSuchName,
    PublicationError,
    TradingError,
    shortened,
)
from duckbourse.pages import NotHere, NotUsable, TooMuch

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request is wrong",
    401: "A token is required",
    403: "This is not allowed",
    404: "There is no such thing",
    405: "The method is not allowed",
    406: "No format of this kind",
    408: "The request took too long",
    409: "It was not obeyed",
    411: "The length of the body is not known",
    413: "The request is too large",
    414: "The address is too long",
    415: "No content of this kind",
    421: "This server has another name",
    422: "A parameter is wrong",
    429: "Too many requests",
    431: "The headers are too large",
    500: "An error of duckbourse itself",
    503: "The server cannot answer now",
}
# where the names of a kind are listed
LISTED_AT = {
    "symbol": "/api/v1/symbols",
    "timeframe": "/api/v1/symbols",
    "indicator": "/api/v1/indicators",
    "scanner": "/api/v1/scanners",
    "preset": "/api/v1/scanners",
    "portfolio": "/api/v1/portfolios",
    "relation": "/api/v1/tables",
    "run": "/api/v1/backtests",
}
MOST_LISTED = 20
AGAIN = {"retry-after": "1"}


class Refused(Exception):
    """A request that is answered with a status of its own, a sentence and a remedy."""

    def __init__(
        self, status: int, detail: str, remedy: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.remedy = remedy
        self.headers = headers or {}


def problem(
    status: int, detail: str, remedy: str = "", headers: dict[str, str] | None = None
) -> Response:
    """Return an error as a response. It is never kept by a cache."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, "The request failed"),
        "status": status,
        "detail": shortened(" ".join(detail.split())),
        "remedy": remedy,
    }
    return Response(
        msgspec.json.encode(body),
        status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def where(error: BaseException) -> dict[str, Any]:
    """Return of an error what a log may have: its kind and the lines of code, and not its text."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "frames": [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames],
    }


def problem_of(error: Exception) -> Response:
    """Return the response for an error that somebody else can mend, not only this project."""
    match error:
        case Refused():
            return problem(error.status, str(error), error.remedy, error.headers)
        case NoSuchName():
            near = f"; did you mean {error.near!r}?" if error.near is not None else ""
            return problem(
                404, f"there is no {error.kind} {error.wanted}{near}", _lister(error.kind, error)
            )
        case BadArgument() | BadQuery():
            return problem(400, str(error), error.remedy)
        case NotUsable() | TooMuch():
            return problem(422, str(error), error.remedy)
        case NotHere():
            return problem(404, str(error), error.remedy)
        case PublicationError():
            return problem(503, str(error), error.remedy, {"retry-after": "5"})
        case TradingError():
            return problem(409, str(error), error.remedy)
        case ConfigurationError():
            return problem(400, str(error), error.remedy)
        case BourseError():
            return problem(503, str(error), error.remedy, {"retry-after": "5"})
        case _:
            return problem(500, "an error of duckbourse itself", "its log has the traceback")


def _lister(kind: str, error: NoSuchName) -> str:
    known: Sequence[object] = error.known
    if 0 < len(known) <= MOST_LISTED:
        return f"published: {', '.join(map(str, known))}"
    place = next((address for name, address in LISTED_AT.items() if kind.startswith(name)), "")
    return f"GET {place} lists them" if place else ""
