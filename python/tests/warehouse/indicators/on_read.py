"""Indicators on bars that a test makes up, by the table macros that are published."""

from __future__ import annotations

import duckdb
import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Bars = dict[str, Series]


def arrays(found: duckdb.DuckDBPyConnection) -> Bars:
    """Return the columns of a result without its key, NaN where they are NULL."""
    return {
        name: np.ma.filled(column.astype(np.float64), np.nan)
        for name, column in found.fetchnumpy().items()
        if name not in ("symbol", "timeframe", "bar_ts")
    }


class OnRead:
    """The table macros of the indicators, in a database of their own."""

    def __init__(self, macros: str) -> None:
        self.connection = duckdb.connect()
        for schema in ("bars", "indicators", "serving"):
            self.connection.execute(f"create schema {schema}")
        self.connection.execute("""
            create table bars.ohlcv (
                symbol varchar, timeframe varchar, bar_ts timestamp, bar_number bigint,
                session_bar_number bigint, adjusted_open double, adjusted_high double,
                adjusted_low double, adjusted_close double, adjusted_volume double
            )
        """)
        self.connection.execute(
            "create view serving.latest_bars as select distinct symbol, timeframe from bars.ohlcv;"
            "create view bars.symbols as select distinct symbol from bars.ohlcv"
        )
        self.connection.execute(macros)

    def load(self, bars: Bars, symbol: str = "GIVEN", first: int = 0) -> None:
        """Add a series from a bar on; without `session_bar_number`, each bar is its own session."""
        count = len(next(iter(bars.values())))
        given = {
            name: bars.get(name, np.full(count, np.nan))
            for name in ("open", "high", "low", "close", "volume")
        }
        given["session_bar_number"] = bars.get("session_bar_number", np.zeros(count))
        given["bar_number"] = np.arange(count, dtype=np.float64)
        self.connection.register("given", given)
        self.connection.execute(
            """
            insert into bars.ohlcv
            select
                $symbol, '1d', timestamp '2000-01-01' + to_days(bar_number::integer), bar_number,
                session_bar_number, open, high, low, close, if(isnan(volume), null, volume)
            from given
            where bar_number >= $first
            order by bar_number
            """,
            {"symbol": symbol, "first": first},
        )
        self.connection.unregister("given")

    def ask(self, name: str, *periods: int, symbol: str = "GIVEN", **settings: float) -> Bars:
        """Return the outputs of an indicator on one series, NaN where they are NULL."""
        arguments = [f"'{symbol}'", "'1d'", *map(str, periods)]
        arguments += [f"p_{setting} := {value}" for setting, value in settings.items()]
        found = self.connection.execute(
            f"from indicators.{name}({', '.join(arguments)}) order by bar_ts"
        )
        return arrays(found)

    def __call__(self, name: str, bars: Bars, *periods: int, **settings: float) -> Bars:
        """Return the outputs of an indicator on these bars alone."""
        self.connection.execute("delete from bars.ohlcv")
        self.load(bars)
        return self.ask(name, *periods, symbol="GIVEN", **settings)
