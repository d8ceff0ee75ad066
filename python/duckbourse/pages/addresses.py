"""Which address is answered by which page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import duckdb

from duckbourse.pages import backtest, meta, overview, portfolio, quality, risk, scanners, symbol
from duckbourse.pages.asking import MOST_LETTERS, NotHere, NotUsable, Panels, one_of

NO_ADDRESS = "{!r} is not an address"


@dataclass(frozen=True)
class Page:
    """
    What answers an address; `parameters` are those that it takes, and the function's names.

    What `reads_clock`, such as how late data are, changes without a newer publication.
    """

    answer: Callable[..., dict[str, Any]]
    parameters: Mapping[str, str] = field(default_factory=dict)
    reads_clock: bool = False


OF_SESSION = {"date": "date", "scanner": "scanner"}
OF_RANGE = {"date": "date", "from": "since", "to": "until", "points": "points"}
# by the first part of the address and the number of those that follow
PAGES: Mapping[tuple[str, int], Page] = {
    ("meta", 0): Page(meta.meta, {"date": "date"}, reads_clock=True),
    ("docs", 0): Page(meta.docs),
    ("overview", 0): Page(overview.overview, OF_SESSION, reads_clock=True),
    ("symbols", 1): Page(symbol.symbol, OF_SESSION, reads_clock=True),
    ("symbols", 2): Page(symbol.bars, OF_RANGE),
    ("scanners", 0): Page(scanners.scanners, OF_SESSION),
    ("backtests", 0): Page(backtest.backtests, {"scanner": "scanner"}),
    ("backtests", 1): Page(backtest.backtest),
    ("portfolios", 1): Page(portfolio.portfolio),
    ("risk", 1): Page(risk.risk),
    ("quality", 0): Page(quality.quality, reads_clock=True),
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
        one_of("page", f"/{name}", sorted({f"/{known}" for known, _ in PAGES}))
        counts = " or ".join(str(count) for known, count in PAGES if known == name)
        raise NotHere(
            NO_ADDRESS.format(address[:MOST_LETTERS]), f"/{name} is followed by {counts} names"
        )
    panels = Panels(connection)
    for parameter in parameters:
        one_of("parameter", parameter, page.parameters, f" of /{name}")
    values = {page.parameters[parameter]: value for parameter, value in parameters.items()}
    body = page.answer(panels, *parts, **values)
    return {**body, "sql": panels.sql}


def reads_clock(address: str) -> bool:
    """Return whether the answer at an address depends on the time at which it is asked for."""
    name, parts, _ = _parts(address)
    page = PAGES.get((name, len(parts)))
    return page is not None and page.reads_clock


def addresses(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return every address that a report can hold, without parameters, in the order of pages."""
    found = meta.meta(panels := Panels(connection))
    runs = panels.values("select run_id from backtests.summary order by setting, scanner, preset")
    portfolios = [each["portfolio"] for each in found["portfolios"]]
    return [
        *(address_of(name) for name, count in PAGES if count == 0),
        *(address_of("portfolios", name) for name in portfolios),
        *(address_of("risk", name) for name in portfolios),
        *(address_of("backtests", run) for run in runs),
        *(
            address
            for each in found["symbols"]
            for address in (
                address_of("symbols", each["symbol"]),
                *(
                    address_of("symbols", each["symbol"], timeframe)
                    for timeframe in each["timeframes"].split()
                ),
            )
        ),
    ]


def address_of(*parts: str) -> str:
    """Return the address of a page: `/symbols/BRK%2FB` of ("symbols", "BRK/B")."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _parts(address: str) -> tuple[str, list[str], dict[str, str]]:
    try:
        split = urlsplit("http://pages/" + address.lstrip("/"))
    except ValueError as error:
        raise NotHere(NO_ADDRESS.format(address[:MOST_LETTERS]), "/overview is one") from error
    name, *parts = [unquote(part) for part in split.path.strip("/").split("/")]
    if split.fragment or any(not part or len(part) > MOST_LETTERS for part in parts):
        raise NotHere(NO_ADDRESS.format(address[:MOST_LETTERS]), "/overview is one")
    given = parse_qsl(split.query, keep_blank_values=True)
    parameters = dict(given)
    if len(parameters) < len(given):
        raise NotUsable("a parameter is given twice", "give each once")
    return name, parts, parameters
