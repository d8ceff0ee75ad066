"""A raw store in a temporary folder, and vendor files for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from duckbourse import clock
from duckbourse.ingest import Outcome, RawStore, Report, ingest, read_mapping
from duckbourse.settings import PROJECT
from duckbourse.streaming.feed import RECORD
from duckbourse.streaming.recorder import LogHeader, Recorder

SHARED = Path(os.environ.get("BOURSE_SHARED_DATA", PROJECT.parent / "shared" / "data"))
MARKET = SHARED / "market"
needs_market = pytest.mark.skipif(
    not MARKET.exists(), reason="real market files are not here; BOURSE_SHARED_DATA says where"
)

DELIVERED_AT = datetime(2026, 11, 1, 18, 30, tzinfo=UTC)
HEADER = "date,open,high,low,close,volume"


@dataclass
class Shop:
    """A raw store and a folder of vendor files."""

    folder: Path
    store: RawStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = RawStore(self.folder / "raw")

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a vendor file with this name and content."""
        path = self.folder / "vendor" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def csv(self, name: str, rows: Sequence[str], header: str = HEADER) -> Path:
        """Write a CSV file with these rows."""
        return self.file(name, "\n".join([header, *rows]) + "\n")

    def run(
        self,
        *paths: Path,
        delivered_at: datetime = DELIVERED_AT,
        dry_run: bool = False,
        redeliver: bool = False,
        mapping: Path | None = None,
        beside: tuple[RawStore, ...] = (),
        **stated: Any,
    ) -> list[Report]:
        """Ingest, allowing any number of unreadable rows, and return the reports."""
        stated.setdefault("max_unreadable_pct", 100)
        options = read_mapping(mapping, **stated)
        return list(
            ingest(
                list(paths),
                options,
                self.store,
                delivered_at,
                dry_run=dry_run,
                redeliver=redeliver,
                beside=beside,
            )
        )

    def deliver(self, *paths: Path, **stated: Any) -> Report:
        """Ingest one file, and assert that it is delivered."""
        [report] = self.run(*paths, **stated)
        assert report.outcome is Outcome.DELIVERED, report.notes
        return report

    def refuse(self, *paths: Path, **stated: Any) -> Report:
        """Ingest one file, and assert that it is refused: one line, a remedy, an empty store."""
        before = self.files()
        [report] = self.run(*paths, **stated)
        assert report.outcome is Outcome.FAILED
        [note] = report.notes
        assert "\n" not in note
        assert report.remedy
        assert self.files() == before
        return report

    def record(self, recording: str, *symbols: str, at: datetime) -> None:
        """Record two ticks of the first of these symbols, each in its own segment."""
        header = LogHeader(
            session_date=date(2024, 1, 2),
            calendar="XNSE",
            source="kite",
            recording=recording,
            symbols=symbols,
        )
        with clock.driven_by(lambda: at):
            recorder = Recorder(self.store.root / "ticks", header, segment_seconds=0)
            for _ in range(2):
                recorder.write(np.zeros(1, RECORD))
            recorder.close()

    def files(self) -> list[str]:
        """Return the store's files, except those without rows."""
        return sorted(
            str(path.relative_to(self.store.root))
            for path in self.store.root.rglob("*")
            if path.is_file() and path.name != "zz_empty.parquet"
        )

    def rows(self, table: str, select: str = "*", order: str = "all") -> list[tuple[Any, ...]]:
        """Return rows of a table of the store, read as the warehouse reads them."""
        files = f"{self.store.root}/{table}/**/*.parquet"
        query = f"select {select} from read_parquet('{files}', hive_partitioning = false) as found"
        if table != "deliveries":
            manifests = f"{self.store.root}/deliveries/*.parquet"
            query += f" where delivery in (select delivery from read_parquet('{manifests}'))"
        with duckdb.connect() as con:
            return con.execute(f"{query} order by {order}").fetchall()


def minutes(day: str, first: str, count: int, price: float = 100.0) -> list[str]:
    """Return CSV rows, one per minute from `first` on."""
    hour, minute = map(int, first.split(":"))
    start = hour * 60 + minute
    return [
        f"{day} {at // 60:02d}:{at % 60:02d}:00,{price},{price + 1},{price - 1},{price},10"
        for at in range(start, start + count)
    ]
