"""The feed against a server that stalls, disconnects, refuses and sends bursts: no data is lost."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog
from picows import WSMsgType, WSTransport

from duckbourse import clock
from duckbourse.errors import TokenRefused
from duckbourse.streaming.feed import RECORD, Feed, Records, microseconds
from duckbourse.streaming.websocket import FeedCounts, FeedLimits, Instants, WebSocketFeed
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.socket_server import Script, Server, serving
from tests.support.waiting import HANG_SECONDS

pytestmark = pytest.mark.some_day

SECRET = "hunter2"
HEARTBEAT = b"\0"
UNREADABLE = b"\xff\xff\xff\xff"
QUICK = FeedLimits(
    connect_seconds=2,
    dead_seconds=0.3,
    stalled_seconds=0.3,
    check_seconds=0.02,
    min_delay_seconds=0.02,
    max_delay_seconds=0.1,
    refused_seconds=0.5,
)


@dataclass
class Numbers:
    """A protocol whose frames are numbers, each the price of a tick."""

    port: int
    texts: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    name: str = "numbers"
    symbols: tuple[str, ...] = ("A",)
    headers: dict[str, str] = field(default_factory=lambda: {"X-Version": "3"})

    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/?token={SECRET}"

    def subscriptions(self) -> list[str]:
        return ["all"]

    def is_heartbeat(self, frame: bytes) -> bool:
        return frame == HEARTBEAT

    def decode(self, frames: list[bytes], received_at: Instants) -> Records:
        if UNREADABLE in frames:
            raise ValueError("\x1b[2J" * 1000)
        self.batches.append(len(frames))
        counts = [len(frame) // 4 for frame in frames]
        records: Records = np.zeros(sum(counts), RECORD)
        records["price"] = np.frombuffer(b"".join(frames), "<u4")
        records["received_at"] = np.repeat(received_at, counts)
        return records

    def on_text(self, text: str) -> None:
        if text == "bad":
            raise ValueError(text)
        self.texts.append(text)


@dataclass
class Played:
    server: Server
    feed: WebSocketFeed
    protocol: Numbers
    prices: list[int]
    records: list[Records]
    health: list[tuple[str, bool]]
    seconds: float = 0


def frame_of(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def send(transport: WSTransport, *numbers: int) -> None:
    transport.send(WSMsgType.BINARY, frame_of(*numbers))


def play(
    script: Script,
    until: int,
    *,
    refusals: tuple[int, ...] = (),
    limits: FeedLimits = QUICK,
    is_open: Callable[[], bool] = lambda: True,
    each: Callable[[Played], Any] = lambda _: None,
    ends_after: float | None = None,
    now: Callable[[], datetime] | None = None,
    served_by: Server | None = None,
    opened: Callable[[WebSocketFeed], Any] = lambda _: None,
) -> Played:
    """
    Read ticks until there are `until`, and return what happened.

    All time is counted, not real. `now` replaces the time of day.
    """

    async def run(loop: CountedLoop) -> Played:
        server = served_by or Server(script, refusals=list(refusals))
        ends_at = None if ends_after is None else clock.now() + timedelta(seconds=ends_after)
        async with asyncio.timeout(HANG_SECONDS), serving(server):
            protocol = Numbers(server.port)
            health: list[tuple[str, bool]] = []
            feed = WebSocketFeed(
                protocol,
                is_open=is_open,
                on_health=lambda what, is_healthy, _: health.append((what, is_healthy)),
                limits=limits,
                ends_at=ends_at,
            )
            opened(feed)
            as_feed: Feed = feed
            found: list[Records] = []
            played = Played(server, feed, protocol, [], found, health)
            with clock.driven_by(now) if now else nullcontext():
                async for records in as_feed.ticks():
                    found.append(records)
                    played.prices += records["price"].tolist()
                    if len(played.prices) >= until:
                        feed.stop()
                    if asyncio.iscoroutine(waits := each(played)):
                        await waits
            played.seconds = loop.seconds
            return played

    return run_counted(run)


@dataclass
class Several:
    """A feed of several sockets, each with a server of its own and two symbols, and its ticks."""

    servers: list[Server]
    health: list[tuple[str, bool, tuple[str, ...]]] = field(default_factory=list)
    # symbol and price, in the order received
    ticks: list[tuple[str, int]] = field(default_factory=list)
    silent: list[tuple[str, ...]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    def play(self, is_over: Callable[[], bool], slow_seconds: float = 0) -> Several:
        """Read ticks until it is over, with a reader that waits so long before each batch."""

        async def run(_: CountedLoop) -> None:
            async with asyncio.timeout(HANG_SECONDS), AsyncExitStack() as stack:
                for server in self.servers:
                    await stack.enter_async_context(serving(server))
                feed = WebSocketFeed(
                    *(
                        Numbers(server.port, symbols=(f"{name}1", f"{name}2"))
                        for name, server in zip("ABC", self.servers, strict=False)
                    ),
                    is_open=lambda: True,
                    on_health=lambda *change: self.health.append(change),
                    limits=QUICK,
                )
                try:
                    async for records in feed.ticks():
                        received = records["received_at"].tolist()
                        assert received == sorted(received)
                        places, prices = records["symbol"].tolist(), records["price"].tolist()
                        names = [feed.symbols[place] for place in places]
                        self.ticks += zip(names, prices, strict=True)
                        self.silent.append(feed.silent_symbols)
                        if is_over():
                            feed.stop()
                        await asyncio.sleep(slow_seconds)
                finally:
                    self.counters = feed.counters()

        run_counted(run)
        return self

    def prices(self, symbol: str) -> list[int]:
        return [price for name, price in self.ticks if name == symbol]


async def send_on(transport: WSTransport, first: int = 0) -> None:
    """Send numbers until the connection is gone."""
    number = first
    while not transport.is_disconnected:
        send(transport, number)
        number += 1
        await asyncio.sleep(0.02)


async def sends_on(_: int, transport: WSTransport) -> None:
    await send_on(transport)


def test_one_socket_that_is_killed_and_refused_silences_no_other() -> None:
    async def dies(connection: int, transport: WSTransport) -> None:
        if connection > 0:
            await send_on(transport, 1000)
            return
        send(transport, 1)
        await asyncio.sleep(0.1)
        # longer than a token may be refused
        broken.refusals.extend([403] * 20)
        transport.disconnect()

    broken = Server(dies)
    played = Several([Server(sends_on), broken, Server(sends_on)])
    played.play(lambda: 1000 in played.prices("B1"))
    # the others had no gap: each number once, in order, on one connection
    for symbol in ("A1", "C1"):
        numbers = played.prices(symbol)
        assert numbers == list(range(len(numbers))) and len(numbers) > 50
    assert played.prices("B1")[:2] == [1, 1000]
    assert {name for name, _ in played.ticks} == {"A1", "B1", "C1"}
    # its symbols are reported, and counted
    of_b = [change for change in played.health if "2 of 3" in change[0]]
    assert of_b == [
        ("numbers 2 of 3 connected", True, ("B1", "B2")),
        (
            "numbers 2 of 3 was disconnected; there are no ticks of 2 symbols: B1, B2",
            False,
            ("B1", "B2"),
        ),
        ("numbers 2 of 3 connected", True, ("B1", "B2")),
    ]
    assert len(played.health) == len(of_b) + 2
    assert ("B1", "B2") in played.silent
    assert played.counters["silent_symbols"] == 0
    counted = [played.counters[f"socket_{number}_refusal_count"] for number in (1, 2, 3)]
    assert counted == [0, 20, 0]
    assert played.counters["refusal_count"] == 20
    assert [played.counters[f"socket_{number}_connection_count"] for number in (1, 2, 3)] == [
        1,
        2,
        1,
    ]


def test_one_socket_that_is_refused_from_the_start_is_retried() -> None:
    broken = Server(sends_on, refusals=[403] * 10)
    played = Several([broken, Server(sends_on)])
    played.play(lambda: bool(played.prices("A1")))
    assert len(played.prices("B1")) > 5
    what = "numbers 1 of 2 refused to connect, with HTTP 403; there are no ticks of 2 symbols:"
    assert played.health[0] == (f"{what} A1, A2", False, ("A1", "A2"))


def test_a_token_that_all_sockets_refuse_is_raised() -> None:
    played = Several([Server(sends_on, refusals=[403] * 99) for _ in range(3)])
    with pytest.raises(TokenRefused, match="numbers refused to connect, with HTTP 403"):
        played.play(lambda: False)
    assert played.ticks == []


def test_a_feed_that_was_refused_is_read_again_once_one_socket_connects() -> None:
    async def run(_: CountedLoop) -> FeedCounts:
        first, second = Server(sends_on, refusals=[403] * 9), Server(sends_on, refusals=[403])
        async with asyncio.timeout(HANG_SECONDS), serving(first), serving(second):
            feed = WebSocketFeed(
                Numbers(first.port, symbols=("A",)),
                Numbers(second.port, symbols=("B",)),
                is_open=lambda: True,
                limits=QUICK,
            )
            with pytest.raises(TokenRefused):
                await anext(feed.ticks())
            async for _records in feed.ticks():
                if feed.counts.connection_count == 2:
                    feed.stop()
            return feed.counts

    assert run_counted(run).refusal_count == 10


def test_each_socket_is_watched_for_silence() -> None:
    async def stalls(connection: int, transport: WSTransport) -> None:
        if connection > 0:
            await send_on(transport, 1000)
        send(transport, 1)
        await beat(transport)

    played = Several([Server(sends_on), Server(stalls)])
    played.play(lambda: 1000 in played.prices("B1"))
    assert [played.counters[f"socket_{number}_stalled_count"] for number in (1, 2)] == [0, 1]
    assert ("B1", "B2") in played.silent


def test_the_ticks_of_several_sockets_are_one_stream() -> None:
    """The reader is slow, so that frames of both wait; a batch is in the order received."""
    played = Several([Server(sends_on), Server(sends_on)])
    played.play(lambda: len(played.ticks) > 100, slow_seconds=0.1)
    names = [name for name, _ in played.ticks]
    changes = sum(one != other for one, other in pairwise(names))
    assert changes > len(names) / 3
    assert sorted(set(names)) == ["A1", "B1"]


def test_ticks_arrive_in_order() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        for first in range(0, 1000, 10):
            send(transport, *range(first, first + 10))
            if first % 100 == 0:
                await asyncio.sleep(0.001)

    played = play(script, 1000)
    assert played.prices == list(range(1000))
    assert played.server.texts == [["all"]]
    counts = played.feed.counts
    assert (counts.frame_count, counts.tick_count, counts.byte_count) == (100, 1000, 4000)
    assert (counts.connection_count, counts.reconnection_count) == (1, 0)
    assert played.health == [("numbers connected", True)]
    assert sum(played.protocol.batches) == 100


def test_a_burst_is_one_batch() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        for number in range(200):
            send(transport, number)

    played = play(script, 200)
    assert played.prices == list(range(200))
    assert len(played.protocol.batches) < 10


def test_each_read_has_its_own_time() -> None:
    began = datetime(2026, 11, 27, 4, tzinfo=UTC)
    ticked = 0

    def now() -> datetime:
        nonlocal ticked
        ticked += 1
        return began + timedelta(seconds=ticked)

    async def script(_: int, transport: WSTransport) -> None:
        for number in range(5):
            send(transport, number, number)
            transport.send_ping()  # the last frame of one read
            await asyncio.sleep(0.02)

    # the reader is slow at first, but frames keep the times at which they were received
    played = play(script, 10, each=lambda _: asyncio.sleep(0.2), now=now)
    times = np.concatenate(played.records)["received_at"].tolist()
    assert times == sorted(times)
    assert times[::2] == times[1::2]
    assert len(set(times)) == 5
    assert times[0] > microseconds(began)


def test_a_connection_lost_in_a_burst_is_reconnected_without_loss() -> None:
    async def script(connection: int, transport: WSTransport) -> None:
        first = connection * 500
        for number in range(first, first + 500):
            send(transport, number)
        if connection < 3:
            transport.disconnect()

    played = play(script, 2000)
    assert played.prices == list(range(2000))
    assert played.server.texts == [["all"]] * 4
    assert played.feed.counts.reconnection_count == 3
    expected = [("numbers connected", True), ("numbers was disconnected", False)] * 3
    assert played.health == [*expected, ("numbers connected", True)]


def test_a_close_is_answered_and_reconnected() -> None:
    async def script(connection: int, transport: WSTransport) -> None:
        send(transport, connection)
        if connection == 0:
            transport.send_close()

    played = play(script, 2)
    assert played.prices == [0, 1]
    assert ("numbers was disconnected", False) in played.health


def test_a_silent_connection_is_dead() -> None:
    async def script(connection: int, transport: WSTransport) -> None:
        if connection > 0:
            send(transport, connection)

    played = play(script, 1)
    assert played.prices == [1]
    assert (played.feed.counts.dead_count, played.feed.counts.stalled_count) == (1, 0)
    assert played.health == [
        ("numbers is dead: nothing received for 0.3 s", False),
        ("numbers connected", True),
    ]


async def beat(transport: WSTransport) -> None:
    while not transport.is_disconnected:
        transport.send(WSMsgType.BINARY, HEARTBEAT)
        await asyncio.sleep(0.02)


def test_heartbeats_alone_are_a_stall() -> None:
    async def script(connection: int, transport: WSTransport) -> None:
        if connection != 1:
            send(transport, connection)
        if connection != 2:
            await beat(transport)

    played = play(script, 2)
    assert played.prices == [0, 2]
    counts = played.feed.counts
    assert (counts.dead_count, counts.stalled_count) == (0, 2)
    assert counts.heartbeat_count > 5
    assert played.health == [
        ("numbers connected", True),
        ("numbers is stalled: no data for 0.3 s", False),
        ("numbers connected", True),
    ]


def test_heartbeats_alone_are_healthy_while_the_session_is_closed() -> None:
    is_open = False

    async def script(connection: int, transport: WSTransport) -> None:
        nonlocal is_open
        if connection == 0:
            beating = asyncio.ensure_future(beat(transport))
            await asyncio.sleep(1)
            is_open = True
            await beating
        send(transport, connection)

    played = play(script, 1, is_open=lambda: is_open)
    # stalled since the session opened, not since the connection
    assert 1.3 < played.seconds < 1.5
    assert played.health == [
        ("numbers connected", True),
        ("numbers is stalled: no data for 0.3 s", False),
        ("numbers connected", True),
    ]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_token_is_raised_and_not_retried(status: int) -> None:
    async def script(_: int, transport: WSTransport) -> None:
        raise AssertionError

    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(TokenRefused, match=f"HTTP {status}") as refused,
    ):
        play(script, 1, refusals=(status, status))
    assert refused.value.remedy
    assert SECRET not in f"{refused.value!r} {logs}"


def test_a_token_that_expires_in_the_session_is_raised_after_all_ticks() -> None:
    prices: list[int] = []
    health: list[tuple[str, bool]] = []
    feeds: list[WebSocketFeed] = []

    async def run(_: CountedLoop) -> None:
        async def script(_: int, transport: WSTransport) -> None:
            send(transport, *range(50))
            await asyncio.sleep(0.05)
            send(transport, *range(50, 100))
            server.refusals.extend([403] * 100)
            transport.disconnect()

        server = Server(script)
        async with serving(server):
            feed = WebSocketFeed(
                Numbers(server.port),
                is_open=lambda: True,
                on_health=lambda what, is_healthy, _: health.append((what, is_healthy)),
                limits=QUICK,
            )
            feeds.append(feed)
            async for records in feed.ticks():
                prices.extend(records["price"].tolist())
                await asyncio.sleep(2)  # meanwhile the rest arrives, then the refusal

    with pytest.raises(TokenRefused):
        run_counted(run)
    assert prices == list(range(100))
    assert [is_healthy for _, is_healthy in health] == [True, False]
    # it was tried again and again first
    assert feeds[0].counts.refusal_count >= 4


@pytest.mark.parametrize("status", [400, 403])
def test_a_refusal_of_a_proxy_is_retried(status: int) -> None:
    """One refused reconnection ended the loop with a position open."""

    async def script(connection: int, transport: WSTransport) -> None:
        send(transport, connection)
        if connection < 2:
            await asyncio.sleep(0.05)
            server.refusals.extend([status] * 3)
            transport.disconnect()

    # less than half a second of refusals each time, more than half a second in all
    limits = msgspec.structs.replace(QUICK, min_delay_seconds=0.1, max_delay_seconds=0.15)
    server = Server(script)
    played = play(script, 3, limits=limits, served_by=server)
    assert played.prices == [0, 1, 2]
    assert played.feed.counts.refusal_count == 6
    assert played.health == [
        *[("numbers connected", True), ("numbers was disconnected", False)] * 2,
        ("numbers connected", True),
    ]


def test_ticks_may_be_read_again_after_a_refused_token() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        send(transport, 1)

    async def run(_: CountedLoop) -> int:
        server = Server(script, refusals=[403])
        async with serving(server):
            feed = WebSocketFeed(Numbers(server.port), is_open=lambda: True, limits=QUICK)
            with pytest.raises(TokenRefused):
                await anext(feed.ticks())
            async for _records in feed.ticks():
                feed.stop()
            return feed.counts.tick_count

    assert run_counted(run) == 1


def test_other_refusals_are_retried_with_growing_delays() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        send(transport, 1)

    limits = FeedLimits(min_delay_seconds=0.1, max_delay_seconds=0.4, check_seconds=0.02)
    played = play(script, 1, refusals=(500, 502, 429, 503), limits=limits)
    at = played.server.connected_at
    delays = [after - before for before, after in pairwise(at)]
    assert len(delays) == 4
    for delay, longest in zip(delays, (0.2, 0.4, 0.4, 0.4), strict=True):
        assert longest / 2 <= delay <= longest
    assert played.feed.counts.reconnection_count == 4


def test_feeds_that_failed_together_do_not_reconnect_together() -> None:
    feed = WebSocketFeed(Numbers(0), is_open=lambda: True, on_health=lambda *_: None)
    for failures, longest in ((0, 0.5), (1, 1), (3, 4), (6, 30), (10_000, 30)):
        delays = [feed._sockets[0]._delay(failures) for _ in range(200)]
        assert longest / 2 <= min(delays) < 0.6 * longest
        assert 0.9 * longest < max(delays) <= longest


def test_no_other_host_receives_the_token() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        send(transport, 1)

    played = play(script, 1, refusals=(301, 307))
    assert played.server.paths == [f"/?token={SECRET}"] * 3
    assert played.health[0] == ("numbers answered with HTTP 301", False)


@pytest.mark.parametrize(("delay_seconds", "tries"), [(0.02, 2), (60, 0)])
def test_an_unreachable_server_is_retried_until_the_end(delay_seconds: float, tries: int) -> None:
    async def run(loop: CountedLoop) -> tuple[list[tuple[str, bool]], float]:
        server = Server(lambda *_: asyncio.sleep(0))
        async with serving(server):
            pass
        health: list[tuple[str, bool]] = []
        feed = WebSocketFeed(
            Numbers(server.port),
            is_open=lambda: True,
            on_health=lambda what, is_healthy, _: health.append((what, is_healthy)),
            ends_at=clock.now() + timedelta(seconds=0.3),
            limits=FeedLimits(min_delay_seconds=delay_seconds, max_delay_seconds=2 * delay_seconds),
        )
        assert [records async for records in feed.ticks()] == []
        assert feed.counts.reconnection_count >= tries
        return health, loop.seconds

    ((what, is_healthy),), seconds = run_counted(run)
    assert seconds == pytest.approx(0.3, abs=0.001)
    assert what.startswith("numbers cannot be reached") and not is_healthy


def test_a_feed_ends_with_its_session() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        while not transport.is_disconnected:
            send(transport, 1)
            await asyncio.sleep(0.02)

    played = play(script, 10**6, ends_after=0.5)
    assert len(played.prices) > 5
    assert played.seconds == pytest.approx(0.5, abs=QUICK.check_seconds)
    assert played.health == [("numbers connected", True)]


def test_a_stopped_feed_ends_at_once() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        send(transport, 1)
        await asyncio.sleep(0.05)  # the feed is healthy and checks again much later
        send(transport, 2)

    played = play(script, 2, limits=FeedLimits(check_seconds=30))
    assert played.prices == [1, 2]
    assert played.seconds < 1


def test_unread_frames_make_the_sender_wait() -> None:
    total, size = 16_000, 250
    waiting: list[int] = []

    async def script(_: int, transport: WSTransport) -> None:
        for first in range(0, total * size, size):
            send(transport, *range(first, first + size))

    async def be_slow(played: Played) -> None:
        if len(waiting) < 2:
            while played.feed.waiting_bytes <= 500_000:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)  # longer than the limits for stalled and dead
            waiting.append(played.feed.waiting_bytes)

    limits = FeedLimits(
        dead_seconds=0.3, stalled_seconds=0.3, check_seconds=0.02, max_waiting_bytes=500_000
    )
    played = play(script, total * size, limits=limits, each=be_slow)
    assert played.prices == list(range(total * size))
    assert played.feed.counts.pause_count >= 2
    assert played.feed.counts.connection_count == 1
    # the limit plus one read, of 16 MB in total
    assert max(waiting) < 4_000_000


def test_a_blocked_event_loop_is_not_a_dead_connection() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        send(transport, 1)
        await asyncio.sleep(0.05)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountedLoop)
        loop.stand_still(1)
        await asyncio.sleep(0.1)
        send(transport, 2)

    played = play(script, 2)
    assert played.prices == [1, 2]
    assert played.feed.counts.connection_count == 1


def test_texts_are_handled_and_a_failing_one_ends_nothing() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        for text in ("one", "bad", "two"):
            transport.send(WSMsgType.TEXT, text)
        transport.send(WSMsgType.TEXT, b"\xff")
        send(transport, 1)

    played = play(script, 1)
    assert played.protocol.texts == ["one", "two"]
    assert (played.feed.counts.text_count, played.feed.counts.failed_text_count) == (4, 2)


def test_a_fragmented_frame_is_joined_despite_a_ping() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        whole = frame_of(1, 2, 3)
        transport.send(WSMsgType.BINARY, whole[:5], fin=False)
        transport.send_ping(b"x")
        transport.send(WSMsgType.CONTINUATION, whole[5:7], fin=False)
        await asyncio.sleep(0.02)
        transport.send(WSMsgType.CONTINUATION, whole[7:])
        send(transport, 4)

    played = play(script, 4)
    assert played.prices == [1, 2, 3, 4]
    assert played.server.pong_count == 1


@pytest.mark.parametrize("kind", [WSMsgType.BINARY, WSMsgType.TEXT])
def test_a_message_without_end_is_bounded(kind: WSMsgType) -> None:
    """Fragments without an end were kept without a bound."""
    waiting: list[int] = []

    async def script(connection: int, transport: WSTransport) -> None:
        if connection == 0:
            transport.send(kind, b"x" * 1000, fin=False)
            for _ in range(1000):
                if transport.is_disconnected:
                    break
                transport.send(WSMsgType.CONTINUATION, b"x" * 1000, fin=False)
                await asyncio.sleep(0.001)
                waiting.append(feed().waiting_bytes)
        send(transport, connection)

    feeds: list[WebSocketFeed] = []

    def feed() -> WebSocketFeed:
        return feeds[0]

    limits = msgspec.structs.replace(QUICK, max_waiting_bytes=20_000)
    played = play(script, 1, limits=limits, opened=feeds.append)
    assert played.prices == [1]
    # they are counted, too
    assert 10_000 < max(waiting) < 25_000
    assert ("numbers sent a message of more than 20,000 bytes", False) in played.health
    assert played.feed.waiting_bytes == 0


def test_frames_that_cannot_be_read_end_the_connection_and_not_the_feed() -> None:
    async def script(connection: int, transport: WSTransport) -> None:
        if connection == 0:
            transport.send(WSMsgType.BINARY, UNREADABLE)
            await asyncio.sleep(1)
        send(transport, connection)

    with structlog.testing.capture_logs() as logs:
        played = play(script, 1)
    assert played.prices == [1]
    assert played.feed.counts.unreadable_count == 1
    assert ("numbers sent frames that cannot be read", False) in played.health
    [line] = [each for each in logs if each["event"] == "frames not read"]
    assert line["error"].startswith("ValueError('\\x1b[2J") and len(line["error"]) <= 300


def test_texts_that_fail_are_logged_a_few_times_a_minute() -> None:
    """Each bad text frame was a line of the log."""

    async def script(_: int, transport: WSTransport) -> None:
        for _ in range(500):
            transport.send(WSMsgType.TEXT, "bad")
        await asyncio.sleep(0.1)
        send(transport, 1)

    with structlog.testing.capture_logs() as logs:
        played = play(script, 1)
    assert played.feed.counts.failed_text_count == 500
    assert 0 < len([each for each in logs if each["event"] == "text handler failed"]) <= 10


def test_a_protocol_violation_is_reconnected() -> None:
    async def script(connection: int, transport: WSTransport) -> None:
        send(transport, connection)
        await asyncio.sleep(0.02)
        if connection == 0:
            transport.underlying_transport.write(b"\xff" * 64)

    assert play(script, 2).prices == [0, 1]


def test_a_reader_that_stops_leaves_nothing_behind() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        send(transport, 1)

    async def run(_: CountedLoop) -> None:
        server = Server(script)
        async with serving(server):
            feed = WebSocketFeed(
                Numbers(server.port), is_open=lambda: True, on_health=lambda *_: None
            )
            ticks = feed.ticks()
            await anext(ticks)
            await ticks.aclose()  # type: ignore[attr-defined]
            async with asyncio.timeout(HANG_SECONDS):
                await server.transports[0].wait_disconnected()
            ours = {asyncio.current_task(), *server.tasks}
            assert asyncio.all_tasks() <= ours

    run_counted(run)


def test_the_token_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def script(connection: int, transport: WSTransport) -> None:
        send(transport, connection)
        transport.disconnect()

    caplog.set_level(1)
    logging.getLogger("picows").setLevel(1)
    with structlog.testing.capture_logs() as logs:
        played = play(script, 2, refusals=(302, 500))
    assert SECRET in played.server.paths[0]
    # the server runs in this process, where picows logs the request
    client = [record for record in caplog.records if "server" not in record.name]
    logged = " ".join(record.getMessage() for record in client)
    assert SECRET not in f"{logged} {logs} {played.feed!r} {played.health}"
