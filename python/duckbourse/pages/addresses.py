"""Which address is answered by which page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import duckdb

from duckbourse.names import did_you_mean
from duckbourse.pages import meta
from duckbourse.pages.asking import NotHere, Panels

Page = Callable[..., dict[str, Any]]

# of one part: nobody types a longer name
MOST_LETTERS = 200
# by the first part and the number of those that follow
PAGES: Mapping[tuple[str, int], Page] = {
    ("meta", 0): meta.meta,
    ("docs", 0): meta.docs,
}


def answer(connection: duckdb.DuckDBPyConnection, address: str) -> dict[str, Any]:
    """
    Return what a page shows at an address, as a publication has it, without NaN or infinities.

    `sql` of it has the query of each panel by the panel's name. An address that names nothing
    raises NotHere, a ValueError. It may have parameters: `/symbols/AAPL/1m?points=2000`.
    """
    name, parts, parameters = _parts(address)
    page = PAGES.get((name, len(parts)))
    if page is None:
        known = sorted({name for name, _ in PAGES})
        raise NotHere(
            f"there is no page {shown(address)}{did_you_mean(name, known)}",
            f"the pages are {', '.join(known)}",
        )
    panels = Panels(connection)
    body = page(panels, *parts, **parameters)
    return {**body, "sql": panels.sql}


def addresses(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return every address that a report can hold, in the order of the pages."""
    return ["/meta", "/docs"]


def address_of(*parts: str) -> str:
    """Return the address of a page: `/symbols/BRK%2FB` of ("symbols", "BRK/B")."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def shown(address: str) -> str:
    """Return an address for a message, shortened."""
    return repr(address if len(address) <= MOST_LETTERS else address[:MOST_LETTERS] + "…")


def _parts(address: str) -> tuple[str, list[str], dict[str, str]]:
    try:
        split = urlsplit("http://pages/" + address.lstrip("/"))
    except ValueError as error:
        raise NotHere(f"{shown(address)} is not an address", "/overview is one") from error
    name, *parts = [unquote(part) for part in split.path.strip("/").split("/")]
    if split.fragment or any(not part or len(part) > MOST_LETTERS for part in parts):
        raise NotHere(f"{shown(address)} is not an address", "/overview is one")
    parameters = dict(parse_qsl(split.query, keep_blank_values=True))
    if parameters and name != "symbols":
        raise NotHere(f"{shown(address)} takes no parameters", "remove them")
    return name, parts, parameters
