"""Where the minutes of a session come from, for commands whose results depend on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import duckdb

from duckbourse.cli.output import notes

# that of `duckbourse.synthetic`, whose import takes long
SOURCE = "synthetic"
IS_SYNTHETIC = """
    select exists (
        from bars.ohlcv where timeframe = '1m' and session_date = $1 and source = $2
    )
"""
ARE_SYNTHETIC_TRADES = """
    select exists (
        from backtests.trades inner join backtests.outcomes using (signal_id)
        where list_contains($1, run_id) and list_contains(split(source, ', '), $2)
    )
"""


def note_synthetic(connection: duckdb.DuckDBPyConnection, session: date) -> None:
    """Say on stderr that minutes of a session were made up, if they were."""
    _note(connection, IS_SYNTHETIC, session, f"the minutes of {session}")


def note_synthetic_trades(connection: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> None:
    """Say on stderr that minutes of a trade of these runs were made up, if they were."""
    _note(connection, ARE_SYNTHETIC_TRADES, [*run_ids], "minutes of these trades")


def _note(connection: duckdb.DuckDBPyConnection, query: str, of: object, minutes: str) -> None:
    try:
        row = connection.execute(query, [of, SOURCE]).fetchone()
    except duckdb.CatalogException:
        return  # without bars there are no minutes
    if row == (True,):
        notes.print(f"{minutes} are synthetic: what is found or earned in them means nothing")
