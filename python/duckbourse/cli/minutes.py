"""Where the minutes of a session come from, for commands whose results depend on it."""

from __future__ import annotations

from datetime import date

import duckdb

from duckbourse.cli.output import notes

# that of `duckbourse.synthetic`, whose import takes long
SOURCE = "synthetic"
IS_SYNTHETIC = """
    select exists (
        from bars.ohlcv where timeframe = '1m' and session_date = ? and source = ?
    )
"""


def note_synthetic(connection: duckdb.DuckDBPyConnection, session: date) -> None:
    """Say on stderr that minutes of a session were made up, if they were."""
    try:
        row = connection.execute(IS_SYNTHETIC, [session, SOURCE]).fetchone()
    except duckdb.CatalogException:
        return  # without bars there are no minutes
    if row == (True,):
        notes.print(
            f"the minutes of {session} are synthetic: what is found or earned in them means nothing"
        )
