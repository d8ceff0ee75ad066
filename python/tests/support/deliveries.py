"""Made-up deliveries, mostly derived from the shipped ones."""

from __future__ import annotations

import duckdb

from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse


def shipped(kind: str) -> str:
    """Return the table function that reads all shipped rows of a kind."""
    return f"read_parquet('{PROJECT}/data/sample/{kind}/*.parquet')"


def deliver(warehouse: Warehouse, name: str, kind: str, rows: str, at: str = "2026-11-02") -> None:
    """Deliver rows as `kind`, writing the manifest last."""
    raw = warehouse.data / "raw"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * replace ('{name}' as delivery, timestamp '{at}' as delivered_at) "
            f"from ({rows})) to '{raw}/{kind}/{name}.parquet'"
        )
        connection.execute(
            f"copy (select * replace ('{name}' as delivery, '{kind}' as kind, "
            f"(select min(source) from ({rows})) as source, timestamp '{at}' as delivered_at) "
            f"from {shipped('deliveries')} limit 1) "
            f"to '{raw}/deliveries/{name}.parquet'"
        )
