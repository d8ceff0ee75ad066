"""
A typed client of `./bourse serve`, whose frames come as Arrow.

    with Client("http://127.0.0.1:8765", token) as client:
        bars = client.frame("bars", "AAPL", "1d", since="2010-05-03")

Rows of several pages come as one frame, of one publication. What the server refuses raises
ServerRefused with its sentence and remedy.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import polars

from duckbourse.errors import BourseError

ARROW = "application/vnd.apache.arrow.stream"
# the most that a server sends at once, unless it was started with more
PAGE_ROWS = 10_000
# of rows on several pages, if a newer publication comes in between
TRIES = 3


class ServerRefused(BourseError):
    """An answer that is not a 2xx; `status` is its code, 0 if no server answered."""

    def __init__(self, status: int, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.status = status


def token_in(path: Path) -> str:
    """Return the token in a file that `./bourse serve` named."""
    return path.read_text(encoding="ascii").strip()


class Client:
    """A connection to one server; close it at the end, or use it in a `with`."""

    def __init__(self, root: str, token: str, *, timeout: float = 30) -> None:
        self._http = httpx.Client(
            base_url=root,
            headers={"authorization": f"Bearer {token}"},
            timeout=timeout,
            trust_env=False,
        )

    def frame(
        self, *names: str, limit: int | None = None, **parameters: str | int | float | bool | None
    ) -> polars.DataFrame:
        """
        Return the rows of a resource, such as `frame("bars", "AAPL", "1d")`: all, or the first.

        Parameters are those of the address; without a value, they are not sent.
        """
        address = _address("/api/v1", *names)
        asked = {name: _text(value) for name, value in parameters.items() if value is not None}
        for _ in range(TRIES):
            frames = self._frames(address, asked, limit)
            if frames is not None:
                # columns that are NULL on one page have another type there
                found = polars.concat(frames, how="vertical_relaxed")
                return found if limit is None else found.head(limit)
        raise ServerRefused(
            0, f"a newer publication came {TRIES} times while the rows were read", "ask again"
        )

    def _frames(
        self, address: str, asked: dict[str, str], limit: int | None
    ) -> list[polars.DataFrame] | None:
        """Return the pages of a resource; None if they are not all of one publication."""
        frames: list[polars.DataFrame] = []
        build_id, left = "", limit
        following: str | None = address
        parameters: dict[str, Any] | None = asked | {"limit": min(PAGE_ROWS, limit or PAGE_ROWS)}
        while following is not None and (left is None or left > 0 or not frames):
            response = self._send("GET", following, params=parameters, headers={"accept": ARROW})
            if frames and response.headers["x-build-id"] != build_id:
                return None
            build_id = response.headers["x-build-id"]
            frames.append(polars.read_ipc_stream(io.BytesIO(response.content)))
            following, parameters = response.links.get("next", {}).get("url"), None
            if left is not None:
                left -= frames[-1].height
        return frames

    def rows(self, *names: str, **parameters: str | int | float | bool) -> list[dict[str, Any]]:
        """Return the first page of a resource as its JSON has it."""
        asked = {name: _text(value) for name, value in parameters.items()}
        response = self._send("GET", _address("/api/v1", *names), params=asked)
        found: list[dict[str, Any]] = response.json()["rows"]
        return found

    def sql(self, query: str, values: dict[str, Any] | None = None) -> polars.DataFrame:
        """
        Return the rows of a query, if the server was started with --allow-sql.

        Raise ServerRefused if there are more rows than the server gives at once.
        """
        body = {"query": query, "values": values or {}, "limit": PAGE_ROWS}
        response = self._send("POST", "/api/v1/sql", json=body, headers={"accept": ARROW})
        if response.headers.get("x-has-more") == "true":
            count = response.headers["x-row-count"]
            raise ServerRefused(
                422, f"the query has more than {count} rows", "ask for parts of it, by `limit`"
            )
        return polars.read_ipc_stream(io.BytesIO(response.content))

    def page(self, address: str) -> dict[str, Any]:
        """Return what a page shows, such as `page("/symbols/AAPL/1d")`."""
        found: dict[str, Any] = self._send("GET", f"/api/pages{address}").json()
        return found

    def command(self, name: str, account: str, **words: str) -> dict[str, Any]:
        """Send halt, resume, square-off or close; return what the loop made of it."""
        found: dict[str, Any] = self._send(
            "POST",
            f"/api/live/{quote(name, safe='')}",
            json={"account": account, **words},
            headers={"x-bourse": "1"},
        ).json()
        return found

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """
        Yield the kind and the data of each event, until the server ends.

        A connection that breaks raises ServerRefused.
        """
        try:
            with self._http.stream("GET", "/api/events", timeout=None) as response:
                if response.status_code != 200:
                    response.read()
                    raise _refused(response)
                kind = ""
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        kind = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        yield kind, json.loads(line.removeprefix("data: "))
        except httpx.HTTPError as error:
            raise ServerRefused(
                0, f"the events broke off: {error}", "follow them again, and ask what is there now"
            ) from error

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, method: str, address: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, address, **options)
        except httpx.HTTPError as error:
            raise ServerRefused(
                0, f"no server answers: {error}", "`./bourse serve` starts one"
            ) from error
        if not response.is_success:
            raise _refused(response)
        return response


def _refused(response: httpx.Response) -> ServerRefused:
    try:
        body = response.json()
        return ServerRefused(response.status_code, body["detail"], body["remedy"])
    except (ValueError, KeyError, TypeError):
        return ServerRefused(response.status_code, f"the server answers {response.status_code}")


def _address(*names: str) -> str:
    return "/".join([names[0], *(quote(name, safe="") for name in names[1:])])


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
