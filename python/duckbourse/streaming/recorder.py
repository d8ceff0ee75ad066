"""
Every tick that came, on disk: a log of what just came, and Parquet of what came before.

What is received is in the log before anything is made of it, so a killed process has lost nothing;
every so often the log becomes a segment, written aside, beside the loop, and renamed. dbt reads the
segments of
`data/raw/ticks` as the source `journal.ticks`. A log that a killed process left is made into its
segment by the next recorder, and only once: the segment has the log's name.
"""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import date
from pathlib import Path
from typing import BinaryIO

import duckdb
import msgspec
import numpy as np
import structlog

from duckbourse import clock
from duckbourse.streaming.feed import RECORD, Records, instant, microseconds
from duckbourse.streaming.tables import TICKS, registered
from duckbourse.warehouse import plain, plain_os, quoted

logger = structlog.get_logger()

LOG = ".log"
SEGMENT_SECONDS = 60.0
# a segment is made in memory
SEGMENT_TICKS = 500_000
# what a segment has: see `journal.ticks` in models/staging/_sources.yml
SEGMENT = """
    select
        *,
        {session_date}::date as session_date,
        {calendar} as calendar,
        {source} as source,
        {recording} as recording,
        {until}::timestamp as recorded_until
    from ({ticks})
"""
# it is read far less often than it is written: what is quick, and no larger than zstd of the old
PARQUET_OPTIONS = "format parquet, parquet_version v2, compression snappy"
# beside them, for who asks whose ticks a recording has: calendar, source and symbols, as JSON
METADATA = "kv_metadata {{calendar: {calendar}, source: {source}, symbols: {symbols}}}"


class LogHeader(msgspec.Struct, frozen=True, kw_only=True):
    """
    The first line of a log: what its records are of.

    `recording` is who records, such as an account; only one does so at a time.
    """

    session_date: date
    calendar: str
    source: str
    recording: str
    symbols: tuple[str, ...]


class Recorder:
    """
    What records the ticks of one session.

    Raise StorageFull where the disk is full: a tick that is not recorded is not to be traded on.
    """

    def __init__(
        self, folder: Path, header: LogHeader, segment_seconds: float = SEGMENT_SECONDS
    ) -> None:
        """Go on in the folder of all ticks, after making segments of what was left there."""
        self._folder = folder / header.session_date.isoformat()
        self._folder.mkdir(parents=True, exist_ok=True)
        recover(self._folder)
        self._header = header
        self._segment_seconds = segment_seconds
        self._worker = ThreadPoolExecutor(1, "segments")
        self._pending_segments: list[Future[None]] = []
        self._log: BinaryIO | None = None
        self._log_tick_count = 0
        self._size = 0
        self._log_opened_at = 0.0
        self._last_received = 0
        self.tick_count = 0
        self.segment_count = 0

    def write(self, records: Records) -> None:
        """
        Write records down.

        Where two have the same `received_at`, the later one's becomes a microsecond more, so that
        the order in which they came is told by it.
        """
        if not len(records):
            return
        self._order_receipts(records)
        try:
            if self._log is None:
                self._log = self._open_log()
            self._append(self._log, records.tobytes())
        except OSError as error:
            raise plain_os(error, self._folder) from error
        self.tick_count += len(records)
        self._log_tick_count += len(records)
        is_old = clock.elapsed_seconds() - self._log_opened_at >= self._segment_seconds
        if is_old or self._log_tick_count >= SEGMENT_TICKS:
            self.roll()
        self._check_segments()

    def roll(self) -> None:
        """Have a segment made of what is in the log, which has all that came until now."""
        if self._log is None:
            return
        log, self._log, self._log_tick_count = self._log, None, 0
        until = max(microseconds(clock.now()), self._last_received)
        self._pending_segments.append(self._worker.submit(_seal, log, until))
        self.segment_count += 1

    def close(self) -> None:
        """Make a segment of the rest; raise StorageFull if one could not be made."""
        self.roll()
        wait(self._pending_segments)
        self._check_segments()

    def _check_segments(self) -> None:
        """Raise what went wrong with a segment: its log stays, and the next recorder makes it."""
        while self._pending_segments and self._pending_segments[0].done():
            self._pending_segments.pop(0).result()

    def _order_receipts(self, records: Records) -> None:
        steps = np.arange(len(records))
        received = np.maximum(records["received_at"], self._last_received + 1)
        records["received_at"] = np.maximum.accumulate(received - steps) + steps
        self._last_received = int(records["received_at"][-1])

    def _open_log(self) -> BinaryIO:
        self._log_opened_at = clock.elapsed_seconds()
        stamp = clock.now().strftime("%Y%m%dT%H%M%S%f")
        # a clock can stand still, and a name must never come again: it says what is written
        name = f"{self._header.recording}-{stamp}-{os.getpid()}-{self.segment_count}{LOG}"
        log = (self._folder / name).open("xb", buffering=0)
        # as long as it is held, nobody else makes a segment of it
        fcntl.flock(log, fcntl.LOCK_EX)
        self._size = 0
        self._append(log, msgspec.json.encode(self._header) + b"\n")
        return log

    def _append(self, log: BinaryIO, content: bytes) -> None:
        """Write all of it, or none."""
        left = memoryview(content)
        try:
            while left:
                left = left[log.write(left) :]
        except OSError:
            log.truncate(self._size)
            log.seek(self._size)
            raise
        self._size += len(content)


def _seal(log: BinaryIO, until: int) -> None:
    with log:
        to_segment(Path(log.name), until)


def recover(folder: Path) -> int:
    """Make segments of the logs that killed processes left in a session's folder; count them."""
    count = 0
    for path in sorted(folder.glob(f"*{LOG}")):
        with path.open("rb") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            # of what came after its last record, nothing is known
            count += to_segment(path, None)
    return count


def to_segment(log: Path, until: int | None) -> bool:
    """
    Make a segment of a log and remove the log; tell whether there is one.

    A record that was cut off is left out, and of a log without a record there is no segment. A log
    that does not begin with a heading is renamed, kept beside the segments, and logged.
    `until` is up to when all that came is in it; None is up to its last record.
    """
    segment = log.with_suffix(".parquet")
    head, newline, body = log.read_bytes().partition(b"\n")
    try:
        header = msgspec.json.decode(head, type=LogHeader)
    except msgspec.DecodeError:
        # a heading that was cut off has nothing after it, and no record is without a zero
        if not newline and b"\0" not in head:
            log.unlink()
            return False
        damaged = log.with_suffix(".damaged")
        log.rename(damaged)
        logger.error("a tick log without a valid heading is kept", path=str(damaged))
        return False
    records = np.frombuffer(body, RECORD, len(body) // RECORD.itemsize)
    if len(records) and not segment.exists():
        aside = log.with_suffix(".writing")
        try:
            _write(header, records, until or int(records["received_at"][-1]), aside)
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(segment)
        except OSError as error:
            raise plain_os(error, segment) from error
    log.unlink()
    return segment.exists()


def _write(header: LogHeader, records: Records, until: int, path: Path) -> None:
    words = {name: quoted(getattr(header, name)) for name in LogHeader.__struct_fields__}
    words["until"] = quoted(instant(until).replace(tzinfo=None))
    code = SEGMENT.format(ticks=TICKS, **words)
    words["symbols"] = quoted(msgspec.json.encode(header.symbols).decode())
    metadata = METADATA.format(**words)
    with duckdb.connect() as connection, registered(connection, records, header.symbols):
        connection.execute("set threads = 1")
        try:
            connection.execute(f"copy ({code}) to {quoted(path)} ({PARQUET_OPTIONS}, {metadata})")
        except duckdb.Error as error:
            path.unlink(missing_ok=True)
            raise plain(error, path) from error
