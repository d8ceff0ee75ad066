"""What Kite calls our symbols: its own list of instruments, as it is downloaded."""

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
    Return the tokens of those symbols that an exchange's part of the list has.

    A symbol is Kite's, such as INFY or NSE:INFY. Raise BadInput where the file is no such list.
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
