"""
Kite's packets, compared with the official client; then faults that it ignores, and text messages.

Both decoders, for few packets and for many, must agree with the official client.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker
from picows import WSMsgType, WSTransport
from pydantic import SecretStr, ValidationError

from duckbourse.brokers.zerodha import stream
from duckbourse.brokers.zerodha.stream import (
    FULL,
    INDEX_FULL,
    INDEX_QUOTE,
    LTP,
    QUOTE,
    KiteProtocol,
    protocols_of,
)
from duckbourse.errors import ConfigurationError, TokenRefused
from duckbourse.settings import Settings
from duckbourse.streaming.feed import RECORD, Records, decimal_price
from duckbourse.streaming.websocket import FeedLimits, FeedProtocol, WebSocketFeed
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.socket_server import Server, serving
from tests.support.waiting import HANG_SECONDS

NSE, CDS, BCD, MCX, INDICES, NCO = 1, 3, 6, 7, 9, 12
SEGMENTS = (NSE, 2, CDS, 4, 5, BCD, MCX, 8, INDICES, NCO)
TOKENS = {
    f"S{segment}:{number}": number << 8 | segment for segment in SEGMENTS for number in (1, 9)
}
OURS = {f"S{number}": number << 8 | NSE for number in range(1, 6)}
KINDS = (LTP, QUOTE, FULL, INDEX_QUOTE, INDEX_FULL)
RECEIVED = 1_795_000_000_000_000
OFFICIAL = KiteTicker("key", "token")


def protocol_of(tokens: dict[str, int], **changed: Any) -> KiteProtocol:
    options = {"on_order": lambda _: None, "root": "ws://127.0.0.1/", **changed}
    return KiteProtocol(SecretStr("key-of-ours"), SecretStr("token-of-ours"), tokens, **options)


def frame_of(*packets: bytes) -> bytes:
    parts = b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)
    return struct.pack(">H", len(packets)) + parts


def packet(kind: np.dtype[Any] = FULL, **values: Any) -> bytes:
    body = np.zeros(1, kind)
    for name, value in values.items():
        if name in ("bid", "ask"):
            body[f"{name}s"]["price"][0, 0] = value
        else:
            body[name] = value
    return body.tobytes()


def few(protocol: KiteProtocol, frames: list[bytes]) -> Records:
    return protocol._decode_few(frames, [RECEIVED + place for place in range(len(frames))])


def many(protocol: KiteProtocol, frames: list[bytes]) -> Records:
    received_at = RECEIVED + np.arange(len(frames))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "FEW_BYTES", 0)
        return protocol.decode(frames, received_at)


READINGS = pytest.mark.parametrize("read", [few, many])
Reading = Callable[[KiteProtocol, list[bytes]], Records]


@st.composite
def bodies(draw: st.DrawFn, kinds: tuple[np.dtype[Any], ...] = KINDS) -> bytes:
    kind = draw(st.sampled_from(kinds))
    token = draw(st.sampled_from(list(TOKENS.values())))
    body = bytearray(draw(st.binary(min_size=FULL.itemsize, max_size=FULL.itemsize)))
    # a repeated volume, and missing fields
    for at in draw(st.sets(st.sampled_from((4, 8, 16, 44, 60, 68, 128)))):
        body[at : at + 4] = bytes(4)
    # a price is not negative
    for at in (4, 68, 128):
        body[at] &= 0x7F
    del body[kind.itemsize :]
    body[:4] = struct.pack(">I", token)
    if token % 256 == CDS:
        # with seven decimals, the last one exceeds our precision
        for at in [4, *((68, 128) if kind is FULL else ())]:
            (price,) = struct.unpack_from(">I", body, at)
            struct.pack_into(">I", body, at, price // 10 * 10)
    return bytes(body)


def seconds_of(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0


def expected(ticks: list[list[dict[str, Any]]], symbols: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return the official client's ticks as records."""
    rows = []
    volumes: dict[str, int] = {}
    by_token = {token: symbol for symbol, token in TOKENS.items()}
    for place, of_frame in enumerate(ticks):
        for tick in of_frame:
            symbol = by_token[tick["instrument_token"]]
            received_at = RECEIVED + place
            seconds = seconds_of(tick.get("last_trade_time")) or seconds_of(
                tick.get("exchange_timestamp")
            )
            volume = tick.get("volume_traded", -1)
            quantity = tick.get("last_traded_quantity", 0)
            depth = tick.get("depth", {"buy": [{"price": 0.0}], "sell": [{"price": 0.0}]})
            rows.append(
                (
                    symbols.index(symbol),
                    seconds * 1_000_000 if seconds else received_at,
                    received_at,
                    round(tick["last_price"] * 1e6),
                    0 if volumes.get(symbol, -1) == volume else quantity,
                    volume,
                    round(depth["buy"][0]["price"] * 1e6),
                    round(depth["sell"][0]["price"] * 1e6),
                )
            )
            volumes[symbol] = volume
    return rows


def agree(read: Reading, frames: list[bytes]) -> None:
    protocol = protocol_of(TOKENS)
    ticks = [OFFICIAL._parse_binary(frame) for frame in frames]
    found = read(protocol, frames)
    assert found.dtype == RECORD
    assert found.tolist() == expected(ticks, protocol.symbols)
    assert (protocol.unknown_token_count, protocol.bad_packet_count, protocol.bad_frame_count) == (
        0,
        0,
        0,
    )


@READINGS
@given(frames=st.lists(st.lists(bodies(), max_size=5), min_size=1, max_size=5))
def test_packets_of_all_kinds_are_read_as_the_official_client_does(
    read: Reading, frames: list[list[bytes]]
) -> None:
    agree(read, [frame_of(*frame) for frame in frames])


@pytest.mark.parametrize("kind", KINDS)
@READINGS
@given(data=st.data())
def test_packets_of_one_kind_are_read_as_the_official_client_does(
    read: Reading, kind: np.dtype[Any], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 5))
    alike = st.lists(bodies((kind,)), min_size=count, max_size=count)
    frames = data.draw(st.lists(alike, min_size=1, max_size=5))
    protocol = protocol_of(TOKENS)
    whole = [frame_of(*frame) for frame in frames]
    assert protocol._decode_uniform(whole, np.arange(len(whole))) is not None
    agree(read, whole)


def unsigned(price: np.int32) -> int:
    """Return a price as the official client reads it."""
    return int(price) % 2**32


@given(body=bodies((FULL,)))
def test_every_field_is_where_the_official_client_finds_it(body: bytes) -> None:
    (tick,) = OFFICIAL._parse_binary(frame_of(body))
    found = np.frombuffer(body, FULL)[0]
    token = tick["instrument_token"]
    divisor = {CDS: 10**7, BCD: 10**4, NCO: 10**4}.get(token % 256, 100)
    names = {
        "last_quantity": "last_traded_quantity",
        "volume": "volume_traded",
        "buy_quantity": "total_buy_quantity",
        "sell_quantity": "total_sell_quantity",
        "oi": "oi",
        "oi_high": "oi_day_high",
        "oi_low": "oi_day_low",
    }
    assert {name: int(found[name]) for name in names} == {
        name: tick[theirs] for name, theirs in names.items()
    }
    assert unsigned(found["average_price"]) / divisor == tick["average_traded_price"]
    assert {name: unsigned(found[name]) / divisor for name in tick["ohlc"]} == tick["ohlc"]
    for side, theirs in (("bids", "buy"), ("asks", "sell")):
        for level, their_level in zip(found[side], tick["depth"][theirs], strict=True):
            assert level["quantity"] == their_level["quantity"]
            assert unsigned(level["price"]) / divisor == their_level["price"]
            assert level["orders"] == their_level["orders"]


@READINGS
@pytest.mark.parametrize(
    ("segment", "raw", "price"),
    [
        (NSE, 1, "0.01"),
        (NSE, 2**31 - 1, "21474836.47"),
        (MCX, 712_345, "7123.45"),
        (INDICES, 2_420_015, "24200.15"),
        (CDS, 835_225_000, "83.5225"),
        (CDS, 10, "0.000001"),
        (BCD, 835_225, "83.5225"),
        (NCO, 1, "0.0001"),
    ],
)
def test_a_price_is_exact(read: Reading, segment: int, raw: int, price: str) -> None:
    token = 5 << 8 | segment
    body = packet(token=token, last_price=raw, bid=raw, ask=raw)
    for tokens in ({"A": token}, {"A": token, "B": 6 << 8 | NSE, "C": 6 << 8 | CDS}):
        (found,) = read(protocol_of(tokens), [frame_of(body)])
        for name in ("price", "bid", "ask"):
            assert decimal_price(int(found[name])) == Decimal(price)


@READINGS
@pytest.mark.parametrize("name", ["last_price", "bid", "ask"])
def test_an_inexact_price_is_counted(read: Reading, name: str) -> None:
    token = 5 << 8 | CDS
    protocol = protocol_of({"A": token})
    good = packet(token=token, last_price=20)
    assert len(read(protocol, [frame_of(good, packet(FULL, token=token, **{name: 11}), good)])) == 2
    assert protocol.bad_packet_count == 1


@READINGS
@pytest.mark.parametrize("name", ["last_price", "bid", "ask"])
@pytest.mark.parametrize("segments", [(NSE,), (NSE, MCX, CDS)])
def test_a_negative_price_is_counted_and_skipped(
    read: Reading, name: str, segments: tuple[int, ...]
) -> None:
    """Crude oil was sold at -37.63 on 20 April 2020; read as unsigned, that is 42,949,635.33."""
    protocol = protocol_of({f"S{segment}": 5 << 8 | segment for segment in segments})
    token = 5 << 8 | segments[-1]
    good = packet(token=token, last_price=3760, bid=3750, ask=3770)
    prices = {"last_price": 3760, "bid": 3750, "ask": 3770, name: -3760}
    bad = packet(FULL, token=token, **prices)
    found = read(protocol, [frame_of(good, bad, good)])
    assert len(found) == 2
    assert (found["price"] == found["price"][0]).all()
    assert (protocol.bad_packet_count, protocol.bad_frame_count, protocol.unknown_token_count) == (
        1,
        0,
        0,
    )


@READINGS
def test_time_is_the_trades_then_the_exchanges_then_ours(read: Reading) -> None:
    token = OURS["S1"]
    frames = [
        frame_of(packet(token=token, last_trade_time=7, exchange_time=9)),
        frame_of(packet(token=token, exchange_time=9)),
        frame_of(packet(token=token)),
        frame_of(packet(QUOTE, token=token)),
        frame_of(packet(LTP, token=token)),
        frame_of(packet(INDEX_FULL, token=token, exchange_time=11)),
        frame_of(packet(INDEX_QUOTE, token=token)),
    ]
    found = read(protocol_of(OURS), frames)
    received = [RECEIVED + place for place in range(7)]
    assert found["received_at"].tolist() == received
    expected = [7_000_000, 9_000_000, *received[2:5], 11_000_000, received[6]]
    assert found["traded_at"].tolist() == expected


@READINGS
def test_a_trade_counts_once(read: Reading) -> None:
    """A depth update repeats the last trade: it is one trade."""
    protocol = protocol_of(OURS)
    one, two = OURS["S1"], OURS["S2"]

    def trade(token: int, volume: int) -> bytes:
        return packet(token=token, last_quantity=5, volume=volume)

    found = read(
        protocol, [frame_of(trade(one, 10), trade(two, 10), trade(one, 10), trade(one, 15))]
    )
    assert found["quantity"].tolist() == [5, 5, 0, 5]
    found = read(protocol, [frame_of(trade(two, 10), trade(one, 15), trade(two, 11))])
    assert found["quantity"].tolist() == [0, 0, 5]
    assert found["cumulative_volume"].tolist() == [10, 15, 11]


@READINGS
@pytest.mark.parametrize("kind", [LTP, FULL])
@pytest.mark.parametrize("least", [0, 2**30], ids=["small", "large"])
def test_an_unknown_instrument_is_counted(read: Reading, kind: np.dtype[Any], least: int) -> None:
    """Small tokens are found in an index, and large ones by a search."""
    tokens = {symbol: least + token for symbol, token in OURS.items()}
    protocol = protocol_of(tokens)
    unknown = (0, 1, (3 << 8) | 2, 2**32 - 1)
    packets = [packet(kind, token=token) for token in (*unknown, *tokens.values())]
    found = read(protocol, [frame_of(*packets), frame_of(*packets)])
    assert found["symbol"].tolist() == [0, 1, 2, 3, 4] * 2
    assert protocol.unknown_token_count == 8


@READINGS
def test_a_packet_of_unknown_kind_is_counted_and_the_others_are_read(read: Reading) -> None:
    protocol = protocol_of(OURS)
    good = packet(token=OURS["S3"])
    assert len(read(protocol, [frame_of(good, b"x" * 12, b"", good)])) == 2
    assert (protocol.bad_packet_count, protocol.bad_frame_count) == (2, 0)


@READINGS
def test_frames_of_one_size_may_differ_in_kind(read: Reading) -> None:
    protocol = protocol_of(OURS)
    one, two = (packet(QUOTE, token=OURS[symbol]) for symbol in ("S1", "S2"))
    alike = frame_of(one, two)
    assert len(frame_of(one[:8], bytes(80))) == len(alike)
    found = read(protocol, [alike, frame_of(one[:8], bytes(80)), b"\0\1" + alike[2:], alike])
    assert found["symbol"].tolist() == [0, 1, 0, 0, 1]
    assert (protocol.bad_packet_count, protocol.bad_frame_count) == (1, 1)


@READINGS
@given(data=st.data())
def test_a_truncated_frame_is_skipped(read: Reading, data: st.DataObject) -> None:
    protocol = protocol_of(OURS)
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    whole = frame_of(*(packet(kind, token=OURS["S1"]) for kind in kinds))
    size = data.draw(st.integers(0, len(whole) - 1))
    other = frame_of(packet(token=OURS["S2"]))
    for bad in (whole[:size], whole + bytes(data.draw(st.integers(1, 200)))):
        assert read(protocol, [other, bad, other])["symbol"].tolist() == [1, 1]
        assert read(protocol, [bad])["symbol"].tolist() == []
    assert protocol.bad_frame_count == 4


@READINGS
@given(frames=st.lists(st.binary(max_size=400), min_size=1, max_size=4))
def test_no_input_raises(read: Reading, frames: list[bytes]) -> None:
    read(protocol_of(OURS), frames)


@given(
    frames=st.lists(
        st.one_of(
            st.builds(frame_of, bodies(), bodies()), st.binary(max_size=40), st.builds(frame_of)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_both_decoders_count_alike(frames: list[bytes]) -> None:
    tokens = {"A": TOKENS["S1:1"], "B": TOKENS["S3:1"], "C": TOKENS["S9:9"]}
    protocols = protocol_of(tokens), protocol_of(tokens)
    for _ in range(2):
        assert few(protocols[0], frames).tolist() == many(protocols[1], frames).tolist()
    for name in ("unknown_token_count", "bad_packet_count", "bad_frame_count"):
        assert getattr(protocols[0], name) == getattr(protocols[1], name)


def test_subscriptions_are_limited_and_unambiguous() -> None:
    for tokens in ({}, {f"S{number}": number for number in range(3001)}, {"A": 1, "B": 1}):
        with pytest.raises(ConfigurationError):
            protocol_of(tokens)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (3000, [3000]), (3001, [1501, 1500]), (9000, [3000] * 3)]
)
def test_instruments_are_spread_over_the_connections(count: int, sizes: list[int]) -> None:
    """More than 3,000 were refused, though Kite has three connections of 3,000."""
    tokens = {f"S{number}": number << 8 | NSE for number in range(count)}
    protocols = protocols_of(
        SecretStr("k"), SecretStr("t"), tokens, on_order=lambda _: None, root="ws://127.0.0.1/"
    )
    assert [len(protocol.symbols) for protocol in protocols] == sizes
    symbols = [symbol for protocol in protocols for symbol in protocol.symbols]
    assert sorted(symbols) == sorted(tokens)
    subscribed = [json.loads(protocol.subscriptions()[0])["v"] for protocol in protocols]
    assert sorted(token for of_one in subscribed for token in of_one) == sorted(tokens.values())


def test_more_instruments_than_kite_allows_are_refused_in_one_line() -> None:
    options = {"on_order": lambda _: None, "root": "ws://127.0.0.1/"}
    keys = SecretStr("k"), SecretStr("t")
    tokens = {f"S{number}": number for number in range(9001)}
    with pytest.raises(ConfigurationError) as refused:
        protocols_of(*keys, tokens, **options)  # type: ignore[arg-type]
    assert str(refused.value) == (
        "9,001 instruments: Kite allows 9,000, on 3 connections of 3,000 each"
    )
    assert refused.value.remedy
    twice = {f"S{number}": number // 2 for number in range(8000)}
    with pytest.raises(ConfigurationError, match="two symbols have the same instrument token"):
        protocols_of(*keys, twice, **options)  # type: ignore[arg-type]


def test_a_heartbeat_holds_no_packet() -> None:
    protocol = protocol_of(OURS)
    assert protocol.is_heartbeat(b"\0") and protocol.is_heartbeat(frame_of())
    assert not protocol.is_heartbeat(frame_of(packet(LTP))) and not protocol.is_heartbeat(b"\0\1")


def test_no_repr_shows_the_token() -> None:
    protocol = protocol_of(OURS)
    feed = WebSocketFeed(protocol, is_open=lambda: True, on_health=lambda *_: None)
    shown = f"{protocol!r} {protocol} {feed!r} {vars(protocol)}"
    assert "key-of-ours" not in shown and "token-of-ours" not in shown
    assert protocol.url() == "ws://127.0.0.1/?api_key=key-of-ours&access_token=token-of-ours"


# against a server with Kite's protocol

QUICK = FeedLimits(
    dead_seconds=0.3,
    stalled_seconds=0.3,
    check_seconds=0.02,
    min_delay_seconds=0.02,
    max_delay_seconds=0.1,
)


def prices_from(
    script: Callable[[int, WSTransport], Any], until: int, **changed: Any
) -> tuple[list[int], KiteProtocol, Server]:
    async def run(_: CountedLoop) -> tuple[list[int], KiteProtocol, Server]:
        refusals = changed.pop("refusals", [])
        server = Server(script, subscription_count=2, refusals=refusals)
        async with asyncio.timeout(HANG_SECONDS), serving(server):
            protocol = protocol_of(OURS, root=server.root, **changed)
            as_protocol: FeedProtocol = protocol
            feed = WebSocketFeed(
                as_protocol, is_open=lambda: True, on_health=lambda *_: None, limits=QUICK
            )
            prices: list[int] = []
            async for records in feed.ticks():
                prices += (records["price"] // 10_000).tolist()
                if len(prices) >= until:
                    feed.stop()
            return prices, protocol, server

    return run_counted(run)


def send(transport: WSTransport, *frames: bytes) -> None:
    for frame in frames:
        transport.send(WSMsgType.BINARY, frame)


def numbered(first: int, count: int) -> bytes:
    """Return a frame of packets with consecutive prices from the first."""
    tokens = list(OURS.values())
    return frame_of(
        *(
            packet(token=tokens[number % 5], last_price=number)
            for number in range(first, first + count)
        )
    )


@pytest.mark.some_day
def test_the_subscription_is_in_kites_format() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        send(transport, numbered(0, 1))

    _, _, server = prices_from(script, 1, mode="quote")
    assert server.paths == ["/?api_key=key-of-ours&access_token=token-of-ours"]
    tokens = list(OURS.values())
    assert [json.loads(text) for text in server.texts[0]] == [
        {"a": "subscribe", "v": tokens},
        {"a": "mode", "v": ["quote", tokens]},
    ]


@pytest.mark.some_day
def test_a_day_of_faults_loses_nothing_that_was_sent() -> None:
    orders: list[dict[str, Any]] = []

    async def script(connection: int, transport: WSTransport) -> None:
        send(transport, b"\0", numbered(connection * 1000, 10))
        if connection == 0:  # disconnects in a burst
            for number in range(10, 1000, 10):
                send(transport, numbered(number, 10))
            transport.disconnect()
        elif connection == 1:  # heartbeats only
            while not transport.is_disconnected:
                send(transport, b"\0")
                await asyncio.sleep(0.02)
        elif connection == 3:  # truncated and unknown input
            bad = numbered(0, 3)
            send(transport, bad[:-1], frame_of(b"y" * 9), numbered(3010, 1))
            transport.send(WSMsgType.TEXT, json.dumps({"type": "order", "data": {"order_id": "1"}}))
            transport.send(WSMsgType.TEXT, json.dumps({"type": "error", "data": "text"}))
            send(transport, frame_of(packet(token=77)), numbered(3011, 5))
        # connection 2 stalls from the start

    prices, protocol, server = prices_from(script, 1036, on_order=orders.append)
    assert prices == [*range(1000), *range(1000, 1010), *range(2000, 2010), *range(3000, 3016)]
    assert [len(texts) for texts in server.texts] == [2, 2, 2, 2]
    assert (protocol.bad_frame_count, protocol.bad_packet_count, protocol.unknown_token_count) == (
        1,
        1,
        1,
    )
    assert orders == [{"order_id": "1"}]


@pytest.mark.some_day
def test_an_unknown_token_is_refused() -> None:
    async def script(_: int, transport: WSTransport) -> None:
        raise AssertionError

    with pytest.raises(TokenRefused, match="Kite refused to connect, with HTTP 403") as refused:
        prices_from(script, 1, refusals=[403])
    assert "token-of-ours" not in repr(refused.value)


@pytest.mark.parametrize(
    ("url", "is_usable"),
    [
        ("wss://ws.kite.trade", True),
        ("wss://ws.kite.trade/", True),
        ("wss://rehearsal.example.com:8443/kite", False),
        ("wss://ws.kite.trade.example.com", False),
        ("ws://127.0.0.1:8765", True),
        ("ws://localhost:8765/", True),
        ("ws://[::1]:8765", True),
        ("ws://ws.kite.trade", False),
        ("ws://127.0.0.1.example.com", False),
        ("ws://127.0.0.1@example.com", False),
        ("wss://someone@ws.kite.trade", False),
        ("https://ws.kite.trade", False),
        ("wss://ws.kite.trade?to=elsewhere", False),
        ("wss://", False),
        ("wss://[", False),
        ("wss://ws.kite.trade:0", False),
    ],
)
def test_a_token_is_sent_over_tls_or_on_loopback(url: str, is_usable: bool) -> None:
    """`BOURSE_KITE_URL` points the command at a server to rehearse with."""
    if is_usable:
        assert Settings(kite_url=url).kite_url == url
    else:
        with pytest.raises(ValidationError, match=r"it is not wss://ws\.kite\.trade, or ws://"):
            Settings(kite_url=url)
