"""Export fills from the journal to `data/raw/fills`, where dbt reads them as a portfolio."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from duckbourse.orders.events import Event, FillBooked, OrderIntended
from duckbourse.settings import settings
from duckbourse.trading.session_folder import SessionFolder
from duckbourse.warehouse import quoted

COLUMNS = """
    account varchar, fill_key varchar, order_id varchar, symbol varchar, side varchar,
    quantity decimal(18, 6), price decimal(18, 6), charges_amount decimal(18, 4),
    filled_at timestamp, recorded_at timestamp, strategy varchar
"""


def export_fills(session: SessionFolder, recorded: list[Event]) -> tuple[Path, int]:
    """
    Write the fills of a session to one Parquet file; return its path and the number of fills.

    The file appears by an atomic rename, and the same fills give the same file. Provisional fills
    are excluded, since their trades will follow.
    """
    folder = settings().raw / "fills"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{session.account}-{session.session_date}.parquet"
    strategies = {
        event.request.order_id: event.request.strategy
        for event in recorded
        if isinstance(event, OrderIntended)
    }
    rows = [
        _row(session, event, strategies.get(event.fill.order_id, ""))
        for event in recorded
        if isinstance(event, FillBooked) and _is_real(event)
    ]
    draft = path.with_suffix(".draft")
    with duckdb.connect() as connection:
        connection.execute(f"create table fills ({COLUMNS})")
        if rows:
            connection.executemany(f"insert into fills values ({', '.join('?' * 11)})", rows)
        connection.execute(f"copy fills to {quoted(draft)} (format parquet, compression zstd)")
    draft.rename(path)
    return path, len(rows)


def _is_real(event: FillBooked) -> bool:
    return not event.fill.is_provisional


def _row(
    session: SessionFolder, event: FillBooked, strategy: str
) -> tuple[str | Decimal | int | datetime, ...]:
    fill = event.fill
    return (
        session.account,
        fill.fill_key,
        fill.order_id,
        fill.symbol,
        str(fill.side),
        fill.quantity,
        fill.price,
        fill.charges_amount,
        _utc(fill.filled_at),
        _utc(event.at),
        strategy,
    )


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
