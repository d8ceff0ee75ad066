"""What a vendor might send after the shipped data."""

from __future__ import annotations

import duckdb

from tests.warehouse.conftest import Warehouse


def deliver(warehouse: Warehouse, name: str, kind: str, rows: str, at: str) -> None:
    """Deliver rows as `kind`, with a manifest that is written last."""
    raw = warehouse.data / "raw"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * replace ('{name}' as delivery, timestamp '{at}' as delivered_at) "
            f"from ({rows})) to '{raw}/{kind}/{name}.parquet'"
        )
        connection.execute(
            f"copy (select * replace ('{name}' as delivery, '{kind}' as kind, "
            f"timestamp '{at}' as delivered_at) "
            f"from read_parquet('{warehouse.data}/sample/deliveries/*.parquet') limit 1) "
            f"to '{raw}/deliveries/{name}.parquet'"
        )
