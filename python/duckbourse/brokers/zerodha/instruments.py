"""Kite's instrument tokens of our symbols, from its instrument list as downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from duckbourse.errors import BadInput
from duckbourse.warehouse import quoted

NAMES = ("instrument_token", "tradingsymbol", "exchange")
QUERY = """
    select symbol, instrument_token::bigint
    from read_csv({path}, header = true, all_varchar = true)
    inner join (select unnest($1) as symbol)
        on symbol in (tradingsymbol, exchange || ':' || tradingsymbol)
    where exchange = $2
"""


def tokens_in(path: Path, symbols: Iterable[str], exchange: str) -> dict[str, int]:
    """
    Return the instrument tokens of the symbols that the list has for this exchange.

    Symbols are in Kite's form, such as INFY or NSE:INFY. Raise BadInput if the file is not Kite's
    list.
    """
    with duckdb.connect() as connection:
        try:
            rows = connection.execute(
                QUERY.format(path=quoted(path)), [list(symbols), exchange]
            ).fetchall()
        except duckdb.Error as error:
            raise BadInput(
                f"{path} is not Kite's list of instruments: {str(error).splitlines()[0]}",
                f"download it from https://api.kite.trade/instruments: it has {', '.join(NAMES)}",
            ) from error
    return dict(rows)
