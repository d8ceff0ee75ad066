"""
Records every tick on disk: recent ticks in a log, earlier ones in Parquet segments.

Ticks are in the log before anything else uses them, so a killed process loses none. At intervals
the log is sealed into a segment, in a thread: written under a temporary name, then renamed. dbt
reads the segments of `data/raw/ticks` as the source `journal.ticks`. If a killed process leaves a
log, the next recorder seals it, and only once, because the segment has the log's name.
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
from duckbourse.disk import flush, wrap_os_error
from duckbourse.streaming.feed import RECORD, Records, instant, microseconds
from duckbourse.streaming.tables import TICKS, registered
from duckbourse.warehouse import quoted, wrap_duckdb_error

logger = structlog.get_logger()

LOG = ".log"
SEGMENT_SECONDS = 60.0
# the year 2200, in microseconds since 1970
LAST_INSTANT = 7_258_118_400_000_000
# segments are built in memory
SEGMENT_TICKS = 500_000
# the columns of a segment: see `journal.ticks` in models/staging/_sources.yml
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
# written far more often than read: fast, and no larger than zstd with Parquet version 1
PARQUET_OPTIONS = "format parquet, parquet_version v2, compression snappy"
# file metadata that describes a recording: calendar, source and, as JSON, symbols
METADATA = "kv_metadata {{calendar: {calendar}, source: {source}, symbols: {symbols}}}"


class LogHeader(msgspec.Struct, frozen=True, kw_only=True):
    """
    The first line of a log, which describes its records.

    `recording` names the recorder, such as an account; only one process at a time uses it.
    """

    session_date: date
    calendar: str
    source: str
    recording: str
    symbols: tuple[str, ...]


class Recorder:
    """
    Records the ticks of one session.

    Raise StorageFull if the disk is full: unrecorded ticks must not be traded on.
    """

    def __init__(
        self, folder: Path, header: LogHeader, segment_seconds: float = SEGMENT_SECONDS
    ) -> None:
        """Record below `folder`, the folder of all ticks, after sealing logs left there."""
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
        Append records to the log.

        If two have the same `received_at`, the later one is moved a microsecond forward, so that
        the column preserves the order received.
        """
        if not len(records):
            return
        self._order_receipts(records)
        try:
            if self._log is None:
                self._log = self._open_log()
            self._append(self._log, records.tobytes())
        except OSError as error:
            raise wrap_os_error(error, self._folder) from error
        self.tick_count += len(records)
        self._log_tick_count += len(records)
        is_old = clock.elapsed_seconds() - self._log_opened_at >= self._segment_seconds
        if is_old or self._log_tick_count >= SEGMENT_TICKS:
            self.roll()
        self._check_segments()

    def roll(self) -> None:
        """Seal the log, which holds every tick received until now, into a segment."""
        if self._log is None:
            return
        log, self._log, self._log_tick_count = self._log, None, 0
        until = max(microseconds(clock.now()), self._last_received)
        self._pending_segments.append(self._worker.submit(_seal, log, until))
        self.segment_count += 1

    def close(self) -> None:
        """Seal the rest of the log; raise StorageFull if a segment could not be written."""
        self.roll()
        wait(self._pending_segments)
        self._check_segments()

    def _check_segments(self) -> None:
        """Raise the error of a failed segment; its log stays for the next recorder to seal."""
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
        # a clock can stand still, but a name must be unique: it identifies the segment
        name = f"{self._header.recording}-{stamp}-{os.getpid()}-{self.segment_count}{LOG}"
        log = (self._folder / name).open("xb", buffering=0)
        # while the lock is held, no other process seals it
        fcntl.flock(log, fcntl.LOCK_EX)
        self._size = 0
        self._append(log, msgspec.json.encode(self._header) + b"\n")
        return log

    def _append(self, log: BinaryIO, content: bytes) -> None:
        """Write all of the content, or none."""
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
    """Seal the logs that killed processes left in a session's folder; return how many."""
    count = 0
    for path in sorted(folder.glob(f"*{LOG}")):
        with path.open("rb") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            # nothing is known about ticks after its last record
            count += to_segment(path, None)
    return count


def to_segment(log: Path, until: int | None) -> bool:
    """
    Seal a log into a segment and remove the log; return whether there is a segment.

    A truncated record is dropped, and a log without records yields no segment. A log without a
    valid header is renamed, kept beside the segments, and reported in the log; so is one with
    records that no recorder wrote, without which the segment is written. All ticks received up to
    `until` are in the log; None means up to its last record.
    """
    segment = log.with_suffix(".parquet")
    head, newline, body = log.read_bytes().partition(b"\n")
    try:
        header = msgspec.json.decode(head, type=LogHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # after a truncated header nothing follows, and every record contains a zero byte
        if not newline and b"\0" not in head:
            log.unlink()
            return False
        _keep(log, "a valid header")
        return False
    records = np.frombuffer(body, RECORD, len(body) // RECORD.itemsize)
    is_ours = (records["symbol"] >= 0) & (records["symbol"] < len(header.symbols))
    for name in ("traded_at", "received_at"):
        is_ours &= (records[name] >= 0) & (records[name] < LAST_INSTANT)
    records = records[is_ours]
    if len(records) and not segment.exists():
        temporary = log.with_suffix(".writing")
        try:
            _write(header, records, until or int(records["received_at"][-1]), temporary)
            flush(temporary)
            temporary.replace(segment)
            flush(segment.parent)
        except OSError as error:
            raise wrap_os_error(error, segment) from error
    if is_ours.all():
        log.unlink()
    else:
        _keep(log, f"{int((~is_ours).sum()):,} valid records")
    return segment.exists()


def _keep(log: Path, without: str) -> None:
    damaged = log.with_suffix(".damaged")
    log.rename(damaged)
    logger.error(f"tick log without {without} kept", path=str(damaged))


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
            raise wrap_duckdb_error(error, path) from error
