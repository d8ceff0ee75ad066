"""The options that choose a trading session, shared by all commands that read one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from duckbourse.cli.output import print_json, print_whole, results
from duckbourse.trading.session_folder import SessionFolder, latest

Account = Annotated[
    str | None, typer.Option("--account", help="Account.", show_default="the last one traded")
]
Day = Annotated[
    datetime | None,
    typer.Option(
        "--date", formats=["%Y-%m-%d"], help="Session.", show_default="the last one traded"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")]


def chosen_session(account: str | None, day: datetime | None) -> SessionFolder:
    """Return the folder of the chosen session, or raise ConfigurationError."""
    return latest(account, day.date() if day else None)


def print_rows(title: str, rows: list[dict[str, Any]], json: bool) -> None:
    """Print rows as JSON or as a table with numbers right-aligned."""
    if json:
        print_json(rows)
        return
    results.print(title, style="bold", markup=False)
    if not rows:
        results.print("none")
        return
    table = Table(box=None, pad_edge=False)
    for name, value in rows[0].items():
        is_text = isinstance(value, str) or value is None
        table.add_column(name.replace("_", " "), justify="left" if is_text else "right")
    for row in rows:
        table.add_row(*("" if value is None else _shown(value) for value in row.values()))
    print_whole(table)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
