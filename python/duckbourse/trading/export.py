"""
Export a session from the journal: fills to `data/raw/fills`, where dbt reads them as a portfolio,
and cash movements to `data/raw/cash`.

dbt applies splits and dividends itself, from the same seed as the journal. What a split leaves of
a share is paid out, so it is exported as a sale of that fraction.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from duckbourse.disk import flush
from duckbourse.orders.book import Book
from duckbourse.orders.events import CashMoved, CorporateActionApplied, Event, FillBooked
from duckbourse.orders.order import PRICE_STEP, Side
from duckbourse.trading.session_folder import SessionFolder, exports_of
from duckbourse.warehouse import quoted

COLUMNS = """
    account varchar, fill_key varchar, order_id varchar, symbol varchar, side varchar,
    quantity decimal(18, 6), price decimal(18, 6), charges_amount decimal(18, 4),
    filled_at timestamp, recorded_at timestamp, strategy varchar
"""


CASH_COLUMNS = """
    account varchar, cash_id varchar, kind varchar, amount decimal(18, 4), value_date date,
    note varchar, recorded_at timestamp
"""
Row = tuple[str | Decimal | int | date | datetime, ...]


def export_fills(session: SessionFolder, recorded: list[Event]) -> tuple[Path, int]:
    """
    Write the fills of a session to one Parquet file; return its path and the number of fills.

    Cash movements go to another, if there are any. A file appears by an atomic rename, and the same
    events give the same file. Provisional fills are excluded, since their trades will follow.
    """
    rows: list[Row] = []
    book = Book(session.capital_amount)
    for event in recorded:
        if isinstance(event, CorporateActionApplied):
            rows += _fractions(session, book, event)
        book.apply(event)
        if isinstance(event, FillBooked) and _is_real(event):
            order = book.orders.get(event.fill.order_id)
            rows.append(_row(session, event, order.request.strategy if order else ""))
    path, of_cash = exports_of(session)
    _write(path, COLUMNS, rows)
    moved = [_cash_row(session, event) for event in recorded if isinstance(event, CashMoved)]
    if moved or of_cash.exists():
        _write(of_cash, CASH_COLUMNS, moved)
    return path, len(rows)


def _write(path: Path, columns: str, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with duckdb.connect() as connection:
        connection.execute(f"create table exported ({columns})")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"insert into exported values ({marks})", rows)
        connection.execute(f"copy exported to {quoted(draft)} (format parquet, compression zstd)")
    flush(draft)
    draft.rename(path)
    flush(path.parent)


def _fractions(session: SessionFolder, book: Book, event: CorporateActionApplied) -> list[Row]:
    action = event.action
    found: list[Row] = []
    for position in book.open_positions():
        if position.symbol != action.symbol or event.price is None:
            continue
        exact = position.quantity * action.share_ratio
        part = abs(exact - int(exact))
        if not part:
            continue
        quantity = (Decimal(part.numerator) / part.denominator).quantize(PRICE_STEP)
        found.append(
            (
                session.account,
                f"{action.action_id}|{position.product}",
                action.action_id,
                action.symbol,
                str(Side.SELL if position.quantity > 0 else Side.BUY),
                quantity,
                event.price,
                Decimal(0),
                _utc(event.at),
                _utc(event.at),
                "",
            )
        )
    return found


def _cash_row(session: SessionFolder, event: CashMoved) -> Row:
    return (
        session.account,
        event.cash_id,
        str(event.kind),
        event.amount,
        event.value_date,
        event.note,
        _utc(event.at),
    )


def _is_real(event: FillBooked) -> bool:
    return not event.fill.is_provisional


def _row(session: SessionFolder, event: FillBooked, strategy: str) -> Row:
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
