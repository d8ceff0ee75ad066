"""Tick records as a DuckDB table and back: symbols for indices, null for missing values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import numpy as np

from duckbourse.streaming.feed import RECORD, Records

INSTANTS = ("traded_at", "received_at")
# the registered records, in their order
TICKS = """
    select
        names.symbol,
        ticks.traded_at,
        ticks.received_at,
        nullif(ticks.price, 0) / 1e6 as price,
        nullif(ticks.quantity, 0) as quantity,
        nullif(ticks.cumulative_volume, -1) as cumulative_volume,
        nullif(ticks.bid, 0) / 1e6 as bid,
        nullif(ticks.ask, 0) / 1e6 as ask
    from ticks
    inner join names using (place)
"""
# ticks as above, back to records with indices into the list of symbols
BACK = """
    select
        (list_position($symbols, symbol) - 1)::integer as symbol,
        epoch_us(traded_at) as traded_at,
        epoch_us(received_at) as received_at,
        coalesce(round(price * 1e6), 0)::bigint as price,
        coalesce(quantity, 0) as quantity,
        coalesce(cumulative_volume, -1) as cumulative_volume,
        coalesce(round(bid * 1e6), 0)::bigint as bid,
        coalesce(round(ask * 1e6), 0)::bigint as ask
    from ({ticks})
    where list_contains($symbols, symbol)
"""


@contextmanager
def registered(
    connection: duckdb.DuckDBPyConnection, records: Records, symbols: tuple[str, ...]
) -> Iterator[None]:
    """Make `TICKS` a query of these records until the end of the block."""
    columns: dict[str, Any] = {
        name: np.ascontiguousarray(records[name]) for name in RECORD.names or ()
    }
    columns["place"] = columns.pop("symbol")
    columns |= {name: columns[name].view("datetime64[us]") for name in INSTANTS}
    names = {
        "place": np.arange(len(symbols), dtype="i4"),
        "symbol": np.array(symbols, dtype=object),
    }
    connection.register("ticks", columns)
    connection.register("names", names)
    try:
        yield
    finally:
        connection.unregister("ticks")
        connection.unregister("names")


def records_of(
    connection: duckdb.DuckDBPyConnection,
    ticks: str,
    symbols: tuple[str, ...],
    **values: object,
) -> Records:
    """Return the records of a tick query, restricted to these symbols."""
    answer = connection.execute(BACK.format(ticks=ticks), {"symbols": list(symbols), **values})
    columns = answer.fetchnumpy()
    records = np.zeros(len(columns["symbol"]), RECORD)
    for name, column in columns.items():
        records[name] = column
    return records
