"""`./bourse report`: the pages as one HTML file."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from duckbourse.cli.bar import Display
from duckbourse.cli.listing import completed
from duckbourse.cli.options import Day
from duckbourse.cli.output import notes, results
from duckbourse.errors import ConfigurationError
from duckbourse.report import MOST_BYTES, Selection, write
from duckbourse.report import report as report_of
from duckbourse.settings import settings
from duckbourse.warehouse import confine, open_published

Names = list[str] | None


def report(
    symbols: Annotated[
        str | None,
        typer.Option(
            "--symbols",
            help="Symbols with charts, separated by commas.",
            show_default="the instruments that 2 MB can hold",
            autocompletion=completed("symbols"),
        ),
    ] = None,
    portfolio: Annotated[
        Names,
        typer.Option(
            help="Only this portfolio; may be repeated.",
            show_default="all",
            autocompletion=completed("portfolios"),
        ),
    ] = None,
    scanner: Annotated[
        Names,
        typer.Option(
            help="Only this scanner; may be repeated.",
            show_default="all",
            autocompletion=completed("scanners"),
        ),
    ] = None,
    day: Day = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="HTML file to write.", show_default="report.html of the data folder"
        ),
    ] = None,
    opens: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """
    Write the report: signals, charts, backtests, portfolios, risk and data quality in one file.

    The file is whole in itself: it needs neither a server nor a network, and can be mailed or kept.
    It is of the publication that is there now.

    Examples:

    - `./bourse report --open`
    - `./bourse report --symbols AAPL,IBM --scanner crp --to crp.html`
    - `./bourse report --date 2010-05-06 --portfolio equal_20`
    """
    path = to or settings().data / "report.html"
    if path.suffix not in (".html", ".htm"):
        raise ConfigurationError(f"{path} is no HTML file", "end its name with .html")
    selection = Selection(
        symbols=[name.strip() for name in symbols.split(",") if name.strip()] if symbols else [],
        portfolios=portfolio or [],
        scanners=scanner or [],
        session=day.date() if day else None,
    )
    connection = open_published()
    try:
        confine(connection)
        with Display() as display:

            def said(what: str, done: int, total: int) -> None:
                if not display.total or total > display.total:
                    display.begin(total)
                display.at(what, done)

            written = report_of(connection, selection, said)
    finally:
        connection.close()
    write(written.html, path)
    if written.size_bytes > MOST_BYTES:
        size = f"{written.size_bytes / 1e6:.1f} MB"
        notes.print(f"it has {size}: --portfolio, --symbols and --scanner narrow it", markup=False)
    for each in written.left_out:
        notes.print(f"left out: {each}", markup=False)
    results.print(f"{path}", markup=False)
    if opens and not webbrowser.open(path.resolve().as_uri()):
        notes.print("no browser can be opened here: open the file yourself")
