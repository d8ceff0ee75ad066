"""A small publication: the relations that pages read, with a few rows, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

SCHEMA = Path(__file__).with_name("pages.sql")
# a symbol, a company and a portfolio that would end a script, if texts were pasted into a page
SYMBOL, NAME = "AA</script><b>", 'A "quoted" & <i>company</i>'
SESSION = date(2024, 3, 28)
NAN = float("nan")

# what stands in a column of this name, or else of this type
BY_NAME: dict[str, Any] = {
    "acerbi_szekely_z2": NAN,
    "action": "split",
    "as_of": None,
    "basel_zone": "green",
    "basis": "net",
    "benchmark": SYMBOL,
    "build_id": "20240328T200000-abc",
    "calendar": "XNYS",
    "calendar_month": 3,
    "calendar_year": 2024,
    "confidence": 0.99,
    "cutoff_time": "09:50",
    "data_version": "0123456789abcdef",
    "dimension": "symbol",
    "direction": "long",
    "evidence_map": {"range_pct": "1.5", "pattern": "hammer"},
    "exit_reason": "target",
    "exit_time": "15:15",
    "fold": "walk_1",
    "horizon_sessions": 1,
    "kind": "daily",
    "lookback_sessions": 250,
    "method": "historical",
    "missing_reason": None,
    "name": NAME,
    "net_return": 0.0125,
    "open_ts": datetime(2024, 3, 28, 9, 30),
    "period": "all",
    "portfolio": "one",
    "preset": "standard",
    "public_relations": ["backtests.summary", "serving.signals_with_outcomes"],
    "rejected_by": None,
    "row_counts": {"bars.ohlcv": 40, "scanners.signals": 1},
    "rule": "high_is_not_highest",
    "run_id": "0ff1ce",
    "scanner": "crp",
    "score": 95.0,
    "sector": None,
    "setting": "us_fixed",
    "sharpe_ratio": float("inf"),
    "signal_id": "s1",
    "signal_rank": 1,
    "source": "synthetic",
    "symbol": SYMBOL,
    "other_symbol": "BB",
    "timeframe": "1d",
    "verdict": "passes",
    "window_sessions": 252,
}
BY_TYPE: dict[str, Any] = {
    "VARCHAR": "text",
    "DOUBLE": 1.25,
    "BIGINT": 3,
    "INTEGER": 2,
    "BOOLEAN": True,
    "DATE": SESSION,
    "TIMESTAMP": datetime(2024, 3, 28, 16),
    "TIME": "10:00",
}


def empty_publication() -> duckdb.DuckDBPyConnection:
    """Return a publication of the right tables without a row, except for its record."""
    connection = duckdb.connect()
    connection.execute(SCHEMA.read_text())
    insert(connection, "serving.publication", row_counts={})
    return connection


def small_publication() -> duckdb.DuckDBPyConnection:
    """Return a publication with a row in each table, and with some bars."""
    connection = empty_publication()
    for relation in relations(connection):
        match relation:
            case "serving.publication":
                continue
            case "bars.ohlcv":
                for timeframe, start, end in bars():
                    close = 100 + (start - datetime(2024, 1, 1)).total_seconds() / 1e5
                    prices = {f"adjusted_{name}": close for name in ("open", "high", "low")}
                    insert(
                        connection,
                        relation,
                        timeframe=timeframe,
                        bar_ts=start,
                        bar_end=end,
                        session_date=start.date(),
                        adjusted_close=close,
                        **prices,
                    )
            case "serving.latest_bars":
                for timeframe in ("1d", "1m"):
                    insert(connection, relation, timeframe=timeframe)
            case "bars.sessions":
                for _, start, _ in bars("1d"):
                    insert(connection, relation, session_date=start.date())
            case "serving.signals_with_outcomes":
                # 9 to gain and 5 to lose from the entry; split four for one since
                insert(
                    connection,
                    relation,
                    signal_price=100.0,
                    stop_price=96.0,
                    target_price=110.0,
                    entry_price=101.0,
                    exit_price=110.0,
                    reward_risk_ratio=1.8,
                    adjustment_factor=0.25,
                )
            case "backtests.summary":
                insert(connection, relation, verdict="inconclusive")
            case _:
                insert(connection, relation)
    connection.execute("delete from serving.publication")
    insert(connection, "serving.publication")
    connection.execute("comment on column backtests.summary.win_rate is 'Wins over trades.'")
    return connection


def one_bar() -> duckdb.DuckDBPyConnection:
    """Return a publication with a single bar, and nothing that follows from bars."""
    connection = empty_publication()
    for relation in ("bars.ohlcv", "serving.latest_bars", "bars.staleness"):
        insert(connection, relation)
    return connection


def relations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of its tables."""
    query = "select schema_name || '.' || table_name from duckdb_tables() order by all"
    return [name for (name,) in connection.execute(query).fetchall()]


def insert(connection: duckdb.DuckDBPyConnection, relation: str, **given: object) -> None:
    """Add a row, whose other values follow from the columns' names and types."""
    row = {
        column: given.get(column, BY_NAME.get(column, _of_type(kind)))
        if column in given or column not in BY_NAME
        else BY_NAME[column]
        for column, kind in columns()[relation].items()
    }
    marks = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    connection.execute(f"insert into {relation} values ({marks})", list(row.values()))


@cache
def columns() -> dict[str, dict[str, str]]:
    """Return the columns of each relation with their types."""
    connection = duckdb.connect()
    connection.execute(SCHEMA.read_text())
    found: dict[str, dict[str, str]] = {}
    query = """
        select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()
        where not internal
        order by table_oid, column_index
    """
    for relation, column, kind in connection.execute(query).fetchall():
        found.setdefault(relation, {})[column] = kind
    connection.close()
    return found


def bars(only: str = "") -> Iterator[tuple[str, datetime, datetime]]:
    """Yield timeframe, start and end of each bar: 30 days and 10 minutes of the last one."""
    if only != "1m":
        for back in range(29, -1, -1):
            start = datetime(2024, 3, 28, 9, 30) - timedelta(days=back)
            yield "1d", start, start.replace(hour=16, minute=0)
    if only != "1d":
        for minute in range(10):
            start = datetime(2024, 3, 28, 9, 30) + timedelta(minutes=minute)
            yield "1m", start, start + timedelta(minutes=1)


def _of_type(kind: str) -> Any:
    if kind.startswith("DECIMAL"):
        return 10
    if kind.startswith(("MAP", "STRUCT")) or kind.endswith("[]"):
        return None
    return BY_TYPE[kind]
