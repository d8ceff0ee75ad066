"""The pattern models of the scanners, on bars that a test makes up or changes."""

from __future__ import annotations

import duckdb

from tests.support.warehouse import Warehouse

# in the order in which they read each other
STEPS = ("pivots", "chart_formations", "pattern_events", "pattern_records")
CANDLES = (
    "candles_of_one_bar",
    "candles_of_two_bars",
    "candles_of_three_bars",
    "candles_of_more_bars",
)
# what each relation may hold at an instant
KNOWN = {
    "pivots": "known_ts <= timestamp '{at}'",
    "pattern_events": "known_ts <= timestamp '{at}'",
    "pattern_records": "session_date <= date '{day}'",
    "pattern": "session_date = date '{day}'",
}
FUTURES = {
    "deleted": "delete from duckbourse.bars.ohlcv where bar_end > timestamp '{at}'",
    "corrupted": """
        update duckbourse.bars.ohlcv
        set open = open * 7, high = high * 9, low = low / 9, close = close * 8, volume = 1e9,
            adjusted_open = adjusted_open * 7, adjusted_high = adjusted_high * (9 + bar_number % 5),
            adjusted_low = adjusted_low / (9 + bar_number % 7),
            adjusted_close = adjusted_close * (1 + bar_number % 3), adjusted_volume = 1e12
        where bar_end > timestamp '{at}'
    """,
}


def pattern_inputs(
    warehouse: Warehouse, bars: str, *relations: str, candles: str = "false"
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory database with some bars and everything else that patterns read."""
    connection = duckdb.connect()
    connection.execute(f"attach '{warehouse.file}' as built (read_only)")
    connection.execute("attach ':memory:' as duckbourse")
    for schema in ("bars", "indicators", "scanners", "seeds"):
        connection.execute(f"create schema duckbourse.{schema}")
    # as before the first build
    connection.execute("create schema duckbourse.build_state")
    connection.execute(
        "create table duckbourse.build_state.models (model varchar, built_through bigint)"
    )
    read = ("bars.sessions", "bars.symbol_days", "bars.day_changes", "bars.day_minute_conflicts")
    for relation in (*read, "seeds.pattern_settings", *relations):
        connection.execute(f"create table duckbourse.{relation} as from built.{relation}")
    connection.execute(f"create table duckbourse.bars.ohlcv as {bars}")
    for family in CANDLES:
        connection.execute(
            f"create table duckbourse.indicators.{family} as "
            f"from built.indicators.{family} where {candles}"
        )
    return connection


def build(
    warehouse: Warehouse, connection: duckdb.DuckDBPyConnection, *steps: str
) -> duckdb.DuckDBPyConnection:
    """Run the SQL that dbt compiled."""
    for step in steps or STEPS:
        sql = warehouse.compiled(f"scanners__{step}")
        connection.execute(f"create or replace table duckbourse.scanners.{step} as {sql}")
    return connection


def change_after(connection: duckdb.DuckDBPyConnection, future: str, at: str) -> None:
    """Delete or corrupt every bar and candlestick that ends after an instant."""
    unknown = f"""
        select symbol, timeframe, bar_ts from duckbourse.bars.ohlcv
        where bar_end > timestamp '{at}'
    """
    connection.execute(f"create table unknown as {unknown}")
    for family in CANDLES:
        table = f"duckbourse.indicators.{family}"
        of_the_future = "(symbol, timeframe, bar_ts) in (from unknown)"
        if future == "deleted":
            connection.execute(f"delete from {table} where {of_the_future}")
            continue
        candles = [
            str(name)
            for (name,) in connection.execute(
                "select column_name from duckdb_columns() where database_name = 'duckbourse' "
                f"and table_name = '{family}' and starts_with(column_name, 'candle_')"
            ).fetchall()
        ]
        lies = ", ".join(f"{candle} = 100 - {candle}" for candle in candles)
        connection.execute(f"update {table} set {lies} where {of_the_future}")
    connection.execute(FUTURES[future].format(at=at))


def known(
    connection: duckdb.DuckDBPyConnection, at: str, *relations: str
) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the relations that were known at an instant."""
    return {
        relation: connection.execute(
            f"select t::varchar from duckbourse.scanners.{relation} as t "
            f"where {KNOWN[relation].format(at=at, day=at[:10])} order by all"
        ).fetchall()
        for relation in relations
    }
