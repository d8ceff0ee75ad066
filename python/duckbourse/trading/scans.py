"""Live scans of the session being traded: ticks in, and signals at each cutoff."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec

from duckbourse.orders.bus import ScanCompleted, ScanTriggered
from duckbourse.streaming.feed import Records
from duckbourse.streaming.live import LiveSession
from duckbourse.trading.publication import Publication, Signal, to_signals

# build minutes at the latest after this many ticks, so that memory stays flat
MAX_PENDING = 100_000


class LiveScans:
    """
    Finds the signals of a session as its ticks arrive.

    A scan takes as long as a few hundred batches of ticks, so it runs in a thread while the loop
    continues with exits. If `waits`, as in a replay whose clock is its ticks, the loop waits for
    the scan.
    """

    def __init__(
        self,
        session: LiveSession,
        symbols: tuple[str, ...],
        publication: Publication,
        scanners: frozenset[str],
        *,
        waits: bool,
    ) -> None:
        self.session = session
        self._symbols = symbols
        self._zone = publication.zone
        self._scanners = scanners
        self._waits = waits
        # cutoffs still to come, exchange-local
        self._due = [
            datetime.combine(publication.session_date, cutoff) for cutoff in session.cutoffs()
        ]
        self._pending: list[Records] = []
        self._pending_count = 0
        # passes on what happens to the scans
        self.publish: Callable[[msgspec.Struct], None] = lambda _: None
        self._worker = ThreadPoolExecutor(1, "scans")
        self._running: Future[tuple[Signal, ...]] | None = None

    def catch_up(self, records: Records) -> None:
        """Add the ticks received before an interruption."""
        self._add(records)

    def close(self) -> None:
        """Wait for a running scan, then close the session."""
        self._worker.shutdown()
        self.session.close()

    async def on_ticks(self, records: Records, now: datetime) -> tuple[Signal, ...]:
        """
        Add ticks received now; return the signals found since the last call.

        A scan is due once its cutoff and the allowance for late ticks have passed, so the ticks of
        this call are not part of it.
        """
        over = self._completed_until(now)
        is_due = self._pending_count >= MAX_PENDING or (bool(self._due) and self._due[0] <= over)
        if is_due and self._running is None:
            cutoffs = [cutoff for cutoff in self._due if cutoff <= over]
            self._due = self._due[len(cutoffs) :]
            self._running = self._worker.submit(self._scan, self._pending, cutoffs, over)
            self._pending, self._pending_count = [], 0
            if cutoffs:
                self.publish(ScanTriggered(cutoffs=tuple(cutoffs)))
        self._add(records)
        if self._running is None or not (self._waits or self._running.done()):
            return ()
        found = await asyncio.wrap_future(self._running)
        self._running = None
        self.publish(ScanCompleted(signal_count=len(found)))
        return found

    def _add(self, records: Records) -> None:
        self._pending.append(records)
        self._pending_count += len(records)

    def _completed_until(self, now: datetime) -> datetime:
        """Return the start of the first incomplete minute, exchange-local."""
        # a tick at the last instant of the allowance is not late yet
        last = now - self.session.late - timedelta.resolution
        return last.astimezone(self._zone).replace(second=0, microsecond=0, tzinfo=None)

    def _scan(
        self, pending: list[Records], cutoffs: list[datetime], over: datetime
    ) -> tuple[Signal, ...]:
        for records in pending:
            self.session.add_ticks(records, self._symbols)
        rows: list[dict[str, Any]] = []
        for cutoff in cutoffs:
            self.session.advance_to(cutoff)
            rows += self.session.signals(cutoff.time())
        self.session.end_minutes(over)
        return to_signals(rows, self._zone, self._scanners)
