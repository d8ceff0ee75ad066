"""
A feed over a WebSocket, independent of the broker.

The `FeedProtocol` defines the messages of one broker's socket; this file manages the connection. It
connects, subscribes, and passes all frames that arrived in one pass of the event loop to the
protocol at once. If a connection is lost, dead or stalled, the feed reconnects after a delay that
doubles up to a limit, and subscribes again. Instruments that are too many for one socket are spread
over several, which fail and reconnect independently.

    dead       nothing at all was received for `dead_seconds`, not even a heartbeat
    stalled    heartbeats arrive, but no data for `stalled_seconds` while the session is open

A refusal may be a proxy's: after the first connection it is retried like any other failure, and the
token counts as refused when nothing else was answered for `refused_seconds`. Of several sockets all
must be refused: a broker may refuse one too many.

Frames wait in memory until they are read. When too many are waiting, the feed stops reading the
socket, so that the sender waits: no frame is dropped. The parts of a message count too, and a
message that alone exceeds the limit ends the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Protocol

import msgspec
import numpy as np
import structlog
from msgspec.structs import asdict
from numpy.typing import NDArray
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSInvalidStatusError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from duckbourse import clock
from duckbourse.errors import TokenRefused
from duckbourse.streaming.bounded_log import BoundedLog
from duckbourse.streaming.feed import RECORD, Records, microseconds
from duckbourse.words import counted, shortened

log = structlog.get_logger()

# the connection request holds the token, and picows would log it
SILENT_LOGGER = logging.Logger("duckbourse.websocket", logging.CRITICAL + 1)
BINARY, CONTINUATION = WSMsgType.BINARY, WSMsgType.CONTINUATION
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
REFUSALS = (400, 401, 403)
OnHealth = Callable[[str, bool, tuple[str, ...]], None]
Instants = NDArray[np.int64]


class FeedProtocol(Protocol):
    """The messages of one broker's socket."""

    @property
    def name(self) -> str:
        """Return the name of the feed, for messages."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols, in the order to which the records' indices refer."""

    @property
    def headers(self) -> dict[str, str]:
        """Return the HTTP headers of the connection request."""

    def url(self) -> str:
        """Return the address with its token: it is never logged or shown in a repr."""

    def subscriptions(self) -> list[str]:
        """Return the messages that subscribe to the ticks of all symbols."""

    def is_heartbeat(self, frame: bytes) -> bool:
        """Return whether a frame is a heartbeat without data."""

    def decode(self, frames: list[bytes], received_at: Instants) -> Records:
        """
        Return the ticks of frames, in their order, with the instants at which each was received.

        The protocol skips and counts what it cannot read.
        """

    def on_text(self, text: str) -> None:
        """Handle a text frame, such as an order update, immediately."""


class FeedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits of a connection, and the most bytes of it that may wait to be read."""

    connect_seconds: float = 10
    dead_seconds: float = 10
    stalled_seconds: float = 20
    check_seconds: float = 0.5
    min_delay_seconds: float = 0.5
    max_delay_seconds: float = 30
    refused_seconds: float = 60
    max_waiting_bytes: int = 64 * 1024 * 1024


class FeedCounts(msgspec.Struct, kw_only=True):
    """What was received and what failed since the feed began; `frame_count` is data frames only."""

    connection_count: int = 0
    reconnection_count: int = 0
    frame_count: int = 0
    heartbeat_count: int = 0
    text_count: int = 0
    tick_count: int = 0
    byte_count: int = 0
    stalled_count: int = 0
    dead_count: int = 0
    pause_count: int = 0
    failed_text_count: int = 0
    refusal_count: int = 0
    unreadable_count: int = 0


class WebSocketFeed:
    """
    The ticks of one or more protocols, each on a socket of its own, until `ends_at` or `stop`.

    Each socket connects, fails and reconnects for itself, so one that is down silences no other.
    A refused token raises TokenRefused once all sockets are refused: each at once if it was never
    connected, else when it has been refused for `refused_seconds`. Any other failure is retried.
    After an error `ticks` may be called again. `is_open` returns whether ticks are expected now.
    `on_health` receives what happened to a socket, whether it is healthy since then, and its
    symbols; it is called on a change only.
    """

    is_synthetic = False

    def __init__(
        self,
        *protocols: FeedProtocol,
        is_open: Callable[[], bool],
        on_health: OnHealth = lambda what, is_healthy, symbols: None,
        ends_at: datetime | None = None,
        limits: FeedLimits | None = None,
    ) -> None:
        self.name = protocols[0].name
        self.symbols = tuple(symbol for each in protocols for symbol in each.symbols)
        self.on_health = on_health
        self._arrived = asyncio.Event()
        self._stopped = asyncio.Event()
        self._sockets: list[_Socket] = []
        first_place = 0
        for number, protocol in enumerate(protocols, 1):
            name = f"{self.name} {number} of {len(protocols)}" if len(protocols) > 1 else self.name
            self._sockets.append(
                _Socket(self, name, protocol, first_place, is_open, ends_at, limits or FeedLimits())
            )
            first_place += len(protocol.symbols)

    def __repr__(self) -> str:
        return f"<WebSocketFeed of {self.name}>"

    @property
    def counts(self) -> FeedCounts:
        """Return the counts of all sockets together."""
        return FeedCounts(
            **{
                name: sum(getattr(socket.counts, name) for socket in self._sockets)
                for name in FeedCounts.__struct_fields__
            }
        )

    @property
    def waiting_bytes(self) -> int:
        """Return the size of the frames received and not read yet, incomplete ones included."""
        return sum(socket.waiting_bytes for socket in self._sockets)

    @property
    def silent_symbols(self) -> tuple[str, ...]:
        """Return the symbols whose sockets failed, or have not connected yet."""
        down = (socket for socket in self._sockets if not socket.is_healthy)
        return tuple(symbol for socket in down for symbol in socket.symbols)

    def stop(self) -> None:
        """End the feed once all frames received to date are read."""
        self._stopped.set()
        for socket in self._sockets:
            socket.drop()

    def counters(self) -> dict[str, int]:
        """Return the counts of all sockets together, and those of each if there are several."""
        found = {
            **asdict(self.counts),
            "waiting_bytes": self.waiting_bytes,
            "silent_symbols": len(self.silent_symbols),
        }
        if len(self._sockets) > 1:
            for number, socket in enumerate(self._sockets, 1):
                found[f"socket_{number}_is_healthy"] = int(bool(socket.is_healthy))
                for name, count in asdict(socket.counts).items():
                    found[f"socket_{number}_{name}"] = count
        return found

    async def ticks(self) -> AsyncIterator[Records]:
        keepers = [asyncio.create_task(each.stay_connected()) for each in self._sockets]
        for keeper in keepers:
            keeper.add_done_callback(lambda _: self._arrived.set())
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                # looked at before the inboxes: once a connection task is done, no frame follows
                ended = [keeper for keeper in keepers if keeper.done()]
                if len(records := self._take()):
                    yield records
                for keeper in ended:
                    keeper.result()
                if len(ended) == len(keepers):
                    return
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)

    def _take(self) -> Records:
        found = [records for socket in self._sockets if len(records := socket.take())]
        if len(found) <= 1:
            return found[0] if found else np.empty(0, RECORD)
        together = np.concatenate(found)
        return together[np.argsort(together["received_at"], kind="stable")]

    def _is_refused(self) -> bool:
        return all(socket.is_refused for socket in self._sockets)


class _Socket:
    """The connections of one protocol, one after the other, and the frames received on them."""

    def __init__(
        self,
        feed: WebSocketFeed,
        name: str,
        protocol: FeedProtocol,
        first_place: int,
        is_open: Callable[[], bool],
        ends_at: datetime | None,
        limits: FeedLimits,
    ) -> None:
        self.counts = FeedCounts()
        self.symbols = protocol.symbols
        self.is_refused = False
        # None before the first connection, or its failure
        self.is_healthy: bool | None = None
        self._feed = feed
        self._name = name
        self._protocol = protocol
        # the index of the protocol's first symbol among those of the feed
        self._first_place = first_place
        self._is_open = is_open
        self._ends_at = ends_at
        self._limits = limits
        self._inbox = _Inbox(feed._arrived)
        self._stopped = feed._stopped
        self._connection: _Connection | None = None
        self._refused_since: float | None = None
        self._log = BoundedLog()

    @property
    def waiting_bytes(self) -> int:
        """Return the size of the frames received and not read yet, incomplete ones included."""
        parts = 0 if self._connection is None else self._connection.parts_bytes
        return self._inbox.waiting_bytes + parts

    def drop(self) -> None:
        """Drop the connection, if there is one."""
        if self._connection is not None:
            self._connection.drop()

    def take(self) -> Records:
        """Return the ticks of the frames received since the last call."""
        frames, received_at = self._inbox.take()
        if self._connection is not None:
            self._connection.resume_reading()
        if not frames:
            return np.empty(0, RECORD)
        try:
            records = self._protocol.decode(frames, received_at)
        except Exception as error:  # a failing protocol must not end the feed
            self.counts.unreadable_count += len(frames)
            self._log.error("frames not read", name=self._name, error=repr(error))
            if self._connection is not None:
                self._connection.fail("sent frames that cannot be read")
            return np.empty(0, RECORD)
        self.counts.tick_count += len(records)
        if self._first_place:
            records["symbol"] += self._first_place
        return records

    async def stay_connected(self) -> None:
        """Connect again and again until the feed is over; raise TokenRefused if all are refused."""
        self.is_refused = False
        failures = 0
        while not self._is_over():
            reason = await self._run_connection()
            if self._is_over():
                return
            failures = 0 if self.is_healthy else failures + 1
            self._report_health(reason, False)
            await self._wait(self._delay(failures))
            self.counts.reconnection_count += 1

    async def _run_connection(self) -> str:
        """Connect, keep the connection while it is healthy, and return why it ended."""
        connection = _Connection(self._protocol, self._inbox, self.counts, self._limits, self._log)
        self._connection = connection
        try:
            return await self._open(connection) or await self._watch(connection)
        finally:
            self._connection = None
            connection.drop()

    async def _open(self, connection: _Connection) -> str | None:
        """Connect; return the reason if that failed."""
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await ws_connect(
                    lambda: connection,
                    self._protocol.url(),
                    websocket_handshake_timeout=self._limits.connect_seconds,
                    logger_name=SILENT_LOGGER,
                    # automatic pongs of picows would hide the ping, and with it the end of a read
                    enable_auto_pong=False,
                    extra_headers=self._protocol.headers,
                    # a redirect would send the token to another host
                    max_redirects=0,
                )
        except WSInvalidStatusError as error:
            status = int(error.response.status) if error.response else 0
            if status not in REFUSALS:
                return f"answered with HTTP {status}"
            self._on_refusal(status)
            return f"refused to connect, with HTTP {status}"
        except WSError as error:
            return f"is not a WebSocket: {type(error).__name__}"
        except OSError as error:
            return f"cannot be reached: {error or type(error).__name__}"
        self._refused_since, self.is_refused = None, False
        return None

    def _on_refusal(self, status: int) -> None:
        """Raise TokenRefused unless a proxy may have refused, or only some sockets are refused."""
        self.counts.refusal_count += 1
        now = clock.elapsed_seconds()
        if self._refused_since is None:
            self._refused_since = now
        has_connected = self.counts.connection_count > 0
        if has_connected and now - self._refused_since < self._limits.refused_seconds:
            return
        self.is_refused = True
        if not self._feed._is_refused():
            return
        self._report_health(f"refused to connect, with HTTP {status}", False)
        raise TokenRefused(
            f"{self._feed.name} refused to connect, with HTTP {status}: "
            "the access token is wrong or has expired",
            "log in for a new access token, and start again",
        ) from None

    async def _watch(self, connection: _Connection) -> str:
        limits = self._limits
        now = clock.elapsed_seconds()
        while not self._is_over():
            before = now
            await connection.wait_for_data(limits.check_seconds)
            now = clock.elapsed_seconds()
            is_open = self._is_open()
            if connection.has_data or (connection.has_come and not is_open):
                self._report_health("connected", True)
            if connection.is_lost:
                return connection.failure or "was disconnected"
            # silence is ours while we do not read the socket or our event loop is blocked
            ours = now - before - (0 if connection.is_paused else limits.check_seconds)
            connection.extend_deadlines(max(0.0, ours), now)
            if not is_open:
                connection.data_at = now
            if now - connection.alive_at > limits.dead_seconds:
                self.counts.dead_count += 1
                return f"is dead: nothing received for {limits.dead_seconds:g} s"
            if now - connection.data_at > limits.stalled_seconds:
                self.counts.stalled_count += 1
                return f"is stalled: no data for {limits.stalled_seconds:g} s"
        return "is over"

    def _is_over(self) -> bool:
        return self._stopped.is_set() or (
            self._ends_at is not None and clock.now() >= self._ends_at
        )

    def _delay(self, failures: int) -> float:
        """Return a random delay, so that feeds that failed together do not reconnect together."""
        longest = self._limits.min_delay_seconds * 2.0 ** min(failures, 30)
        return min(longest, self._limits.max_delay_seconds) * random.uniform(0.5, 1)

    async def _wait(self, seconds: float) -> None:
        if self._ends_at is not None:
            seconds = min(seconds, max(0.0, (self._ends_at - clock.now()).total_seconds()))
        await _set_within(self._stopped, seconds)

    def _report_health(self, what: str, is_healthy: bool) -> None:
        if is_healthy is self.is_healthy:
            return
        self.is_healthy = is_healthy
        (log.info if is_healthy else log.warning)("feed", name=self._name, what=what)
        of = ""
        if not is_healthy and len(self.symbols) < len(self._feed.symbols):
            total = counted(len(self.symbols), "symbol")
            of = f"; there are no ticks of {total}: {shortened(self.symbols)}"
        self._feed.on_health(f"{self._name} {what}{of}", is_healthy, self.symbols)


class _Inbox:
    """Frames not read yet, with the position and time at which each read of the socket began."""

    def __init__(self, arrived: asyncio.Event) -> None:
        self._arrived = arrived
        self.frames: list[bytes] = []
        self.waiting_bytes = 0
        self._read_starts: list[int] = []
        self._read_times: list[int] = []

    def begin_read(self) -> None:
        self._read_starts.append(len(self.frames))
        self._read_times.append(microseconds(clock.now()))
        self._arrived.set()

    def take(self) -> tuple[list[bytes], Instants]:
        starts = np.array([*self._read_starts, len(self.frames)], np.int64)
        times = np.array(self._read_times, np.int64)
        taken = self.frames, np.repeat(times, starts[1:] - starts[:-1])
        self.frames, self._read_starts, self._read_times = [], [], []
        self.waiting_bytes = 0
        return taken


class _Connection(WSListener):
    """One connection, from the WebSocket upgrade to its end."""

    def __init__(
        self,
        protocol: FeedProtocol,
        inbox: _Inbox,
        counts: FeedCounts,
        limits: FeedLimits,
        bounded_log: BoundedLog,
    ) -> None:
        self._protocol = protocol
        self._inbox = inbox
        self._counts = counts
        self._max_waiting_bytes = limits.max_waiting_bytes
        self._transport: WSTransport | None = None
        self._is_heartbeat = protocol.is_heartbeat
        self._begins_read = True
        self._log = bounded_log
        self._parts = bytearray()
        self._parts_type = BINARY
        self.failure = ""
        self._has_news = asyncio.Event()
        self.is_lost = self.is_paused = self.has_come = self.has_data = False
        self.alive_at = self.data_at = clock.elapsed_seconds()

    async def wait_for_data(self, seconds: float) -> None:
        """Wait for the first data or the end of the connection, at most this long."""
        await _set_within(self._has_news, seconds)
        self._has_news.clear()

    def extend_deadlines(self, seconds: float, now: float) -> None:
        """Move the times of the last message and the last data forward by this much."""
        self.alive_at = min(now, self.alive_at + seconds)
        self.data_at = min(now, self.data_at + seconds)

    @property
    def parts_bytes(self) -> int:
        """Return the size of the message of which more parts are expected."""
        return len(self._parts)

    def fail(self, why: str) -> None:
        """Drop the connection for this reason."""
        self.failure = self.failure or why
        self.drop()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def resume_reading(self) -> None:
        if self.is_paused and self._transport is not None:
            self.is_paused = False
            self._transport.underlying_transport.resume_reading()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._counts.connection_count += 1
        self.alive_at = self.data_at = clock.elapsed_seconds()
        for message in self._protocol.subscriptions():
            transport.send(WSMsgType.TEXT, message.encode())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_lost = True
        self._has_news.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._begins_read:
            self.alive_at = clock.elapsed_seconds()
            self.has_come = True
            self._inbox.begin_read()
        self._begins_read = frame.last_in_buffer
        message_type = frame.msg_type
        payload = frame.get_payload_as_bytes()
        self._counts.byte_count += len(payload)
        if message_type == BINARY and frame.fin:  # almost always
            self._store(payload)
        elif message_type == PING:
            transport.send_pong(payload)
        elif message_type == CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif message_type != PONG:
            self._add_part(message_type, payload, is_last=frame.fin)

    def _add_part(self, message_type: WSMsgType, payload: bytes, *, is_last: bool) -> None:
        if message_type != CONTINUATION:
            self._parts_type, self._parts = message_type, bytearray()
        self._parts += payload
        if is_last:
            whole, self._parts = bytes(self._parts), bytearray()
            (self._store if self._parts_type == BINARY else self._on_text)(whole)
        elif len(self._parts) > self._max_waiting_bytes:
            self._parts = bytearray()
            self.fail(f"sent a message of more than {self._max_waiting_bytes:,} bytes")
        else:
            self._pause_if_full()

    def _store(self, payload: bytes) -> None:
        if self._is_heartbeat(payload):
            self._counts.heartbeat_count += 1
            return
        inbox = self._inbox
        inbox.frames.append(payload)
        inbox.waiting_bytes += len(payload)
        self._counts.frame_count += 1
        self.data_at = self.alive_at
        if not self.has_data:
            self.has_data = True
            self._has_news.set()
        self._pause_if_full()

    def _pause_if_full(self) -> None:
        waiting = self._inbox.waiting_bytes + len(self._parts)
        if waiting > self._max_waiting_bytes and not self.is_paused:
            self.is_paused = True
            self._counts.pause_count += 1
            if self._transport is not None:
                self._transport.underlying_transport.pause_reading()

    def _on_text(self, payload: bytes) -> None:
        self._counts.text_count += 1
        try:
            self._protocol.on_text(payload.decode())
        except Exception as error:  # a failing handler must not end the feed
            self._counts.failed_text_count += 1
            self._log.error("text handler failed", name=self._protocol.name, error=repr(error))


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    # not wait_for, which in Python 3.11 may swallow a cancellation
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
