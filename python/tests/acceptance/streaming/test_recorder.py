"""Recorded ticks are on disk, once and in order, however the process ends."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import structlog

from duckbourse import clock
from duckbourse.errors import StorageFull
from duckbourse.ingest import RawStore
from duckbourse.ingest.withdrawals import reinstate, withdraw
from duckbourse.settings import PROJECT
from duckbourse.streaming.feed import RECORD, Records, microseconds
from duckbourse.streaming.recorder import LogHeader, Recorder, recover
from tests.support.warehouse import Warehouse

DAY = date(2024, 7, 1)
OPEN = datetime(2024, 7, 1, 13, 30, tzinfo=UTC)
BARS = ("-s", "+bars__ohlcv", "+bars__rejected", "bars__data_version")
HEADER = LogHeader(
    session_date=DAY, calendar="XNYS", source="s", recording="mine", symbols=("A", "B")
)


def records_of(*rows: tuple[int, float, float], start: int = 0) -> Records:
    """Return ticks from symbol index, price, and seconds after the open."""
    records = np.zeros(len(rows), RECORD)
    for record, (symbol, price, seconds) in zip(records, rows, strict=True):
        at = microseconds(OPEN + timedelta(seconds=start + seconds))
        record["symbol"], record["price"] = symbol, round(price * 1e6)
        record["traded_at"] = record["received_at"] = at
        record["quantity"], record["cumulative_volume"] = 5, -1
    return records


def recorded(folder: Path, columns: str = "symbol, price") -> list[tuple[Any, ...]]:
    files = f"'{folder / str(DAY)}/*.parquet'"
    with duckdb.connect() as connection:
        return connection.execute(f"select {columns} from {files} order by received_at").fetchall()


def test_ticks_are_recorded_in_order_and_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, HEADER, segment_seconds=0)
    with clock.driven_by(lambda: OPEN + timedelta(minutes=1)):
        # two at one instant, and one stamped earlier by a clock that was set back
        recorder.write(records_of((0, 10, 2), (1, 20.000001, 2), (0, 11, 1)))
        recorder.write(records_of((1, 21, 0)))
        recorder.close()
    assert recorder.segment_count == 2
    assert recorded(tmp_path) == [("A", 10.0), ("B", 20.000001), ("A", 11.0), ("B", 21.0)]
    first = OPEN.replace(tzinfo=None) + timedelta(seconds=2)
    assert recorded(tmp_path, "received_at") == [
        (first + timedelta(microseconds=step),) for step in range(4)
    ]
    assert recorded(tmp_path, "traded_at")[2:] == [
        (first - timedelta(seconds=1),),
        (first - timedelta(seconds=2),),
    ]
    assert recorded(tmp_path, "distinct (quantity, cumulative_volume, bid, recorded_until)") == [
        ((5, None, None, datetime(2024, 7, 1, 13, 31)),)
    ]
    assert {path.suffix for path in (tmp_path / str(DAY)).iterdir()} == {".parquet"}


def test_a_clock_that_was_set_back_makes_no_tick_later_than_its_segment(tmp_path: Path) -> None:
    with clock.driven_by(lambda: OPEN):
        recorder = Recorder(tmp_path, HEADER)
        recorder.write(records_of((0, 10, 2)))
        recorder.close()
    assert recorded(tmp_path, "recorded_until = received_at") == [(True,)]


def write_until_killed(folder: Path) -> None:
    """Record forever and report each recorded batch; a segment is full after about ten."""
    recorder = Recorder(folder, HEADER, segment_seconds=10)
    with clock.counted_by(itertools.count().__next__):
        write_forever(recorder)


def write_forever(recorder: Recorder) -> None:
    for number in range(10**9):
        recorder.write(records_of((0, number + 1, 0), (1, number + 1, 0), start=number))
        print(number, flush=True)


def test_a_kill_loses_no_recorded_tick(tmp_path: Path) -> None:
    reported = 0
    for batches in (1, 20, 70, 150):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.streaming.test_recorder", str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(PROJECT / "python")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for number in range(batches):
            assert child.stdout.readline() == f"{number}\n"
        child.send_signal(signal.SIGKILL)
        reported += 2 * (batches + len(child.stdout.read().splitlines()[:-1]))
        child.wait()
        child.stdout.close()
    recover(tmp_path / str(DAY))
    found = recorded(tmp_path, "price, symbol")
    assert reported <= len(found) <= reported + 4 * 2 * 2
    assert len(recorded(tmp_path, "distinct filename")) > 4
    assert list((tmp_path / str(DAY)).glob("*.log")) == []
    assert recover(tmp_path / str(DAY)) == 0
    assert recorded(tmp_path, "price, symbol") == found


@pytest.mark.any_day
def test_a_log_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    first = Recorder(tmp_path, HEADER)
    first.write(records_of((0, 10, 0)))
    second = Recorder(tmp_path, HEADER)
    first.write(records_of((0, 11, 1)))
    first.close()
    second.close()
    assert recorded(tmp_path) == [("A", 10.0), ("A", 11.0)]


@pytest.mark.any_day
@pytest.mark.parametrize("cut", [1, 55, 56, 57, 200])
def test_a_truncated_record_is_dropped(tmp_path: Path, cut: int) -> None:
    recorder = Recorder(tmp_path, HEADER)
    recorder.write(records_of((0, 10, 0), (0, 11, 1), (0, 12, 2)))
    (log,) = (tmp_path / str(DAY)).glob("*.log")
    content = log.read_bytes()
    left = log.with_name("mine-left.log")
    left.write_bytes(content[:-cut])
    log.unlink()
    # as after a kill: nothing more is written
    assert recorder._log is not None
    recorder._log.close()
    recover(tmp_path / str(DAY))
    whole = (len(content[:-cut]) - len(content.partition(b"\n")[0]) - 1) // RECORD.itemsize
    assert left.with_suffix(".parquet").exists() == (whole > 0)
    if whole > 0:
        assert recorded(tmp_path) == [("A", 10.0), ("A", 11.0), ("A", 12.0)][:whole]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The log with two ticks of a killed process."""
    recorder = Recorder(tmp_path, HEADER)
    with clock.driven_by(lambda: OPEN):
        recorder.write(records_of((0, 10, 0), (0, 11, 1)))
    assert recorder._log is not None
    recorder._log.close()
    (log,) = (tmp_path / str(DAY)).glob("*.log")
    return log


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"[" + content[1:],
        lambda content: content.replace(b"\n", b" "),
        lambda content: content[30:],
        lambda content: b"\n" + content,
        lambda content: b"\0" * len(content),
    ],
    ids=["its first letter", "its line's end", "its beginning", "a line before it", "all of it"],
)
def test_a_log_without_a_header_is_kept_and_logged(
    left: Path, damage: Callable[[bytes], bytes]
) -> None:
    content = damage(left.read_bytes())
    left.write_bytes(content)
    with structlog.testing.capture_logs() as logs:
        assert recover(left.parent) == 0
    (kept,) = left.parent.iterdir()
    assert (kept.name, kept.read_bytes()) == (left.with_suffix(".damaged").name, content)
    assert [line["path"] for line in logs] == [str(kept)]
    # only once
    assert recover(left.parent) == 0
    assert list(left.parent.iterdir()) == [kept]


def test_a_log_without_ticks_is_removed(left: Path) -> None:
    header, _, _ = left.read_bytes().partition(b"\n")
    for content in (b"", header[:40], header, header + b"\n", header + b"\n" + b"\0" * 55):
        left.write_bytes(content)
        assert recover(left.parent) == 0
        assert list(left.parent.iterdir()) == []


def test_sealed_logs_are_counted(left: Path) -> None:
    left.with_name("b.log").write_bytes(left.read_bytes())
    left.with_name("c.log").write_bytes(b"no header\n" + b"\0" * 56)
    with structlog.testing.capture_logs():
        assert recover(left.parent) == 2
    assert {path.suffix for path in left.parent.iterdir()} == {".parquet", ".damaged"}


@pytest.mark.any_day
def test_a_full_disk_is_raised_and_leaves_whole_records(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, HEADER)
    recorder.write(records_of((0, 10, 0)))
    (log,) = (tmp_path / str(DAY)).glob("*.log")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 30, hard))
    try:
        with pytest.raises(StorageFull, match="the disk is full"):
            recorder.write(records_of((0, 11, 1)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    recorder.write(records_of((0, 12, 2)))
    recorder.close()
    assert recorded(tmp_path) == [("A", 10.0), ("A", 12.0)]


def test_dbt_builds_bars_from_recorded_ticks(warehouse: Warehouse) -> None:
    """Only complete minutes become bars; the one in progress when recording ended does not."""
    warehouse = replace(warehouse, sample=False)
    recorder = Recorder(warehouse.data / "raw" / "ticks", HEADER)
    with clock.driven_by(lambda: OPEN + timedelta(seconds=100)):
        recorder.write(records_of((0, 10, 0), (0, 12, 10), (0, 9, 20), (0, 11, 59), (0, 13, 60)))
        recorder.close()
    warehouse.build(*BARS)
    assert warehouse.query(
        "select symbol, bar_ts, open, high, low, close, volume, source from bars.ohlcv "
        "where session_date = '2024-07-01' and timeframe = '1m'"
    ) == [("A", datetime(2024, 7, 1, 9, 30), 10, 12, 9, 11, 20, "s")]
    assert warehouse.query(
        "select rule, bar_ts, source_file from bars.rejected where session_date = '2024-07-01'"
    ) == [("future_stamp", datetime(2024, 7, 1, 9, 31), "ticks of mine")]
    # the recording continues
    ((version,),) = warehouse.query("select data_version from bars.data_version")
    with clock.driven_by(lambda: OPEN + timedelta(seconds=200)):
        recorder.write(records_of((0, 14, 110)))
        recorder.close()
    warehouse.build(*BARS)
    assert warehouse.query(
        "select open, close, volume from bars.ohlcv "
        "where session_date = '2024-07-01' and timeframe = '1m' order by bar_ts"
    ) == [(10, 11, 20), (13, 14, 10)]
    assert warehouse.query("select count(*) from bars.rejected where symbol = 'A'") == [(0,)]
    assert warehouse.query("select data_version from bars.data_version") != [(version,)]
    assert warehouse.query("select tick_count, symbol_count from bars.recordings") == [(6, 1)]
    # a withdrawal removes the ticks recorded up to it from the next build, not later ones
    both = warehouse.content("bars.ohlcv", "bars.rejected")
    names = ["mine@2024-07-01"]
    store = RawStore(warehouse.data / "raw")
    with duckdb.connect() as con, store.writing(con):
        withdraw(con, store, names, OPEN + timedelta(seconds=150), None)
    warehouse.build(*BARS)
    assert warehouse.query(
        "select bar_ts, open, close, volume from bars.ohlcv "
        "where session_date = '2024-07-01' and timeframe = '1m'"
    ) == [(datetime(2024, 7, 1, 9, 31), 14, 14, 5)]
    assert warehouse.query("select tick_count from bars.recordings") == [(1,)]
    with duckdb.connect() as con, store.writing(con):
        reinstate(con, store, names, OPEN + timedelta(seconds=150), None)
    warehouse.build(*BARS)
    assert warehouse.content("bars.ohlcv", "bars.rejected") == both


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]))
