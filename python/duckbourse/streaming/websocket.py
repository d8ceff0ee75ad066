"""
A feed that comes over a WebSocket, whoever's it is.

What a broker's socket says is its `Wire`: this file holds the connection. It connects, subscribes,
and gives all frames that came in one pass of the event loop to the wire at once. A connection that
is lost, dead or mute is made anew, after a while that doubles up to a limit, and subscribed again.

    dead    nothing at all came for `dead_seconds`, not even a heartbeat
    mute    it lives, and while the session is open brought no data for `mute_seconds`

Frames wait for who takes them. Where too many do, the socket is not read until they are taken, so
that it is the sender who waits: none is dropped.
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
from duckbourse.streaming.feed import RECORD, Records, microseconds

log = structlog.get_logger()

# what is sent to connect holds the token, and picows would log it
UNHEARD = logging.Logger("duckbourse.websocket", logging.CRITICAL + 1)
BINARY, CONTINUATION = WSMsgType.BINARY, WSMsgType.CONTINUATION
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
REFUSALS = (400, 401, 403)
Health = Callable[[str, bool], None]
Instants = NDArray[np.int64]


class Wire(Protocol):
    """What one broker's socket says, and what it wants to be told."""

    @property
    def name(self) -> str:
        """Return whose it is, in a few words."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return what the records' places are of."""

    @property
    def headers(self) -> dict[str, str]:
        """Return what is sent along to connect."""

    def url(self) -> str:
        """Return where to connect, token and all: it is neither logged nor in a repr."""

    def subscriptions(self) -> list[str]:
        """Return the messages that ask for the ticks of all symbols."""

    def is_heartbeat(self, frame: bytes) -> bool:
        """Return whether a frame says no more than that the connection lives."""

    def decode(self, frames: list[bytes], received_at: Instants) -> Records:
        """
        Return the ticks of frames that came at these instants, in their order.

        What cannot be read is left out and counted by the wire.
        """

    def hear(self, text: str) -> None:
        """Take a frame of text, such as an order update, at once."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what, and how much may wait for us."""

    connect_seconds: float = 10
    dead_seconds: float = 10
    mute_seconds: float = 20
    check_seconds: float = 0.5
    min_delay_seconds: float = 0.5
    max_delay_seconds: float = 30
    max_waiting_bytes: int = 64 * 1024 * 1024


class Counts(msgspec.Struct, kw_only=True):
    """What came, and what went wrong, since the feed began; `frame_count` is of data alone."""

    connection_count: int = 0
    reconnection_count: int = 0
    frame_count: int = 0
    heartbeat_count: int = 0
    text_count: int = 0
    tick_count: int = 0
    byte_count: int = 0
    mute_count: int = 0
    dead_count: int = 0
    pause_count: int = 0
    failed_text_count: int = 0


class WebSocketFeed:
    """
    The ticks of a wire, until `ends_at` or `stop`; a refused token is raised, the rest is retried.

    `is_open` says whether ticks are due. `on_health` is told what happened, and whether ticks can
    be relied on since; only a change is told.
    """

    is_made_up = False

    def __init__(
        self,
        wire: Wire,
        *,
        is_open: Callable[[], bool],
        on_health: Health = lambda what, is_well: None,
        ends_at: datetime | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.counts = Counts()
        self._wire = wire
        self._is_open = is_open
        self.on_health = on_health
        self._ends_at = ends_at
        self._limits = limits or Limits()
        self._is_well: bool | None = None
        self._inbox = _Inbox()
        self._stopped = asyncio.Event()
        self._connection: _Connection | None = None

    def __repr__(self) -> str:
        return f"<WebSocketFeed of {self.name}>"

    @property
    def name(self) -> str:
        return self._wire.name

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._wire.symbols

    @property
    def waiting_bytes(self) -> int:
        """Return how much came that nobody took yet."""
        return self._inbox.waiting_bytes

    def stop(self) -> None:
        """End the feed, once what came so far is taken."""
        self._stopped.set()
        if self._connection is not None:
            self._connection.drop()

    def figures(self) -> dict[str, int]:
        return {**asdict(self.counts), "waiting_bytes": self.waiting_bytes}

    async def ticks(self) -> AsyncIterator[Records]:
        keeper = asyncio.create_task(self._keep_connected())
        keeper.add_done_callback(lambda _: self._inbox.arrived.set())
        try:
            while True:
                await self._inbox.arrived.wait()
                # asked before what there is: a keeper that is done brings no more
                is_over = keeper.done()
                if len(records := self._taken()):
                    yield records
                if is_over:
                    keeper.result()
                    return
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    def _taken(self) -> Records:
        frames, received_at = self._inbox.take()
        if self._connection is not None:
            self._connection.read_on()
        if not frames:
            return np.empty(0, RECORD)
        records = self._wire.decode(frames, received_at)
        self.counts.tick_count += len(records)
        return records

    async def _keep_connected(self) -> None:
        failures = 0
        while not self._is_over():
            reason = await self._connected()
            if self._is_over():
                return
            failures = 0 if self._is_well else failures + 1
            self._tell(reason, False)
            await self._wait(self._delay(failures))
            self.counts.reconnection_count += 1

    async def _connected(self) -> str:
        """Connect, stay connected as long as it is any good, and return why it ended."""
        connection = _Connection(self._wire, self._inbox, self.counts, self._limits)
        self._connection = connection
        try:
            return await self._opened(connection) or await self._watched(connection)
        finally:
            self._connection = None
            connection.drop()

    async def _opened(self, connection: _Connection) -> str | None:
        """Connect, or return why that failed."""
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await ws_connect(
                    lambda: connection,
                    self._wire.url(),
                    websocket_handshake_timeout=self._limits.connect_seconds,
                    logger_name=UNHEARD,
                    # picows' own answer would hide the ping, and with it the end of a read
                    enable_auto_pong=False,
                    extra_headers=self._wire.headers,
                    # nobody else is shown the token
                    max_redirects=0,
                )
        except WSInvalidStatusError as error:
            status = int(error.response.status) if error.response else 0
            if status not in REFUSALS:
                return f"answered with HTTP {status}"
            self._tell(f"refused with HTTP {status}", False)
            raise TokenRefused(
                f"{self.name} refused to connect, with HTTP {status}: "
                "the access token is wrong or has expired",
                "log in for a new access token, and start again",
            ) from None
        except WSError as error:
            return f"is no WebSocket: {type(error).__name__}"
        except OSError as error:
            return f"cannot be reached: {error or type(error).__name__}"
        return None

    async def _watched(self, connection: _Connection) -> str:
        limits = self._limits
        now = clock.elapsed_seconds()
        while not self._is_over():
            before = now
            await connection.news_within(limits.check_seconds)
            now = clock.elapsed_seconds()
            is_open = self._is_open()
            if connection.has_data or (connection.has_come and not is_open):
                self._tell("connected", True)
            if connection.is_lost:
                return "was disconnected"
            # while it is we who do not read, or our loop that stands still, the silence is ours
            ours = now - before - (0 if connection.is_paused else limits.check_seconds)
            connection.forgive(max(0.0, ours), now)
            if not is_open:
                connection.data_at = now
            if now - connection.alive_at > limits.dead_seconds:
                self.counts.dead_count += 1
                return f"is dead: nothing came for {limits.dead_seconds:g} s"
            if now - connection.data_at > limits.mute_seconds:
                self.counts.mute_count += 1
                return f"is mute: no data came for {limits.mute_seconds:g} s"
        return "is over"

    def _is_over(self) -> bool:
        return self._stopped.is_set() or (
            self._ends_at is not None and clock.now() >= self._ends_at
        )

    def _delay(self, failures: int) -> float:
        """Return how long to wait: not as long as another that failed at the same time."""
        longest = self._limits.min_delay_seconds * 2.0 ** min(failures, 30)
        return min(longest, self._limits.max_delay_seconds) * random.uniform(0.5, 1)

    async def _wait(self, seconds: float) -> None:
        if self._ends_at is not None:
            seconds = min(seconds, max(0.0, (self._ends_at - clock.now()).total_seconds()))
        await _set_within(self._stopped, seconds)

    def _tell(self, what: str, is_well: bool) -> None:
        if is_well is self._is_well:
            return
        self._is_well = is_well
        (log.info if is_well else log.warning)("feed", name=self.name, what=what)
        self.on_health(f"{self.name} {what}", is_well)


class _Inbox:
    """Frames that nobody took yet; where among them each read of the socket began, and when."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.frames: list[bytes] = []
        self.waiting_bytes = 0
        self._read_starts: list[int] = []
        self._read_times: list[int] = []

    def begin_read(self) -> None:
        self._read_starts.append(len(self.frames))
        self._read_times.append(microseconds(clock.now()))
        self.arrived.set()

    def take(self) -> tuple[list[bytes], Instants]:
        self.arrived.clear()
        starts = np.array([*self._read_starts, len(self.frames)], np.int64)
        times = np.array(self._read_times, np.int64)
        taken = self.frames, np.repeat(times, starts[1:] - starts[:-1])
        self.frames, self._read_starts, self._read_times = [], [], []
        self.waiting_bytes = 0
        return taken


class _Connection(WSListener):
    """One connection, from the upgrade to its end."""

    def __init__(self, wire: Wire, inbox: _Inbox, counts: Counts, limits: Limits) -> None:
        self._wire = wire
        self._inbox = inbox
        self._counts = counts
        self._max_waiting_bytes = limits.max_waiting_bytes
        self._transport: WSTransport | None = None
        self._is_heartbeat = wire.is_heartbeat
        self._begins_read = True
        self._parts: list[bytes] = []
        self._parts_type = BINARY
        self._news = asyncio.Event()
        self.is_lost = self.is_paused = self.has_come = self.has_data = False
        self.alive_at = self.data_at = clock.elapsed_seconds()

    async def news_within(self, seconds: float) -> None:
        """Wait for the first data or the end, but no longer than this."""
        await _set_within(self._news, seconds)
        self._news.clear()

    def forgive(self, seconds: float, now: float) -> None:
        """Take it as said that much later, of what was said last."""
        self.alive_at = min(now, self.alive_at + seconds)
        self.data_at = min(now, self.data_at + seconds)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def read_on(self) -> None:
        if self.is_paused and self._transport is not None:
            self.is_paused = False
            self._transport.underlying_transport.resume_reading()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._counts.connection_count += 1
        self.alive_at = self.data_at = clock.elapsed_seconds()
        for message in self._wire.subscriptions():
            transport.send(WSMsgType.TEXT, message.encode())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_lost = True
        self._news.set()

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
            self._keep(payload)
        elif message_type == PING:
            transport.send_pong(payload)
        elif message_type == CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif message_type != PONG:
            self._add_part(message_type, payload, is_last=frame.fin)

    def _add_part(self, message_type: WSMsgType, payload: bytes, *, is_last: bool) -> None:
        if message_type != CONTINUATION:
            self._parts_type, self._parts = message_type, []
        self._parts.append(payload)
        if is_last:
            whole = b"".join(self._parts)
            (self._keep if self._parts_type == BINARY else self._hear)(whole)

    def _keep(self, payload: bytes) -> None:
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
            self._news.set()
        if inbox.waiting_bytes > self._max_waiting_bytes and not self.is_paused:
            self.is_paused = True
            self._counts.pause_count += 1
            if self._transport is not None:
                self._transport.underlying_transport.pause_reading()

    def _hear(self, payload: bytes) -> None:
        self._counts.text_count += 1
        try:
            self._wire.hear(payload.decode())
        except Exception as error:  # who hears must not end the feed
            self._counts.failed_text_count += 1
            log.error("text of a feed", name=self._wire.name, error=repr(error))


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    # not wait_for, which in Python 3.11 may forget that it was cancelled
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
