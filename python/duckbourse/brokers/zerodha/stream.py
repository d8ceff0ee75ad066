"""
The messages of Kite's WebSocket.

A frame is a packet count followed by packets; each packet is its length followed by a body. Numbers
are big-endian. The length identifies the kind of body. Prices are signed: a future can trade below
zero, and read as unsigned, as the official client does, -37.63 becomes 42,949,635.33.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from struct import Struct
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from duckbourse.brokers.zerodha.mapping import price_scale
from duckbourse.errors import ConfigurationError
from duckbourse.streaming.bounded_log import BoundedLog
from duckbourse.streaming.feed import RECORD, Places, Records, places_of
from duckbourse.streaming.websocket import Instants
from duckbourse.words import counted

MAX_TOKENS = 3000  # per connection
MAX_CONNECTIONS = 3
# an index of so few instruments sorts fastest
SMALL = np.int16
# Kite's tokens of shares are below this
MAX_INDEXED_TOKEN = 2**24
HEADERS = {"X-Kite-Version": "3"}
Mode = Literal["ltp", "quote", "full"]

LTP = np.dtype([("token", ">u4"), ("last_price", ">i4")])
QUOTE = np.dtype(
    [
        *LTP.descr,
        ("last_quantity", ">u4"),
        ("average_price", ">i4"),
        ("volume", ">u4"),
        ("buy_quantity", ">u4"),
        ("sell_quantity", ">u4"),
        ("open", ">i4"),
        ("high", ">i4"),
        ("low", ">i4"),
        ("close", ">i4"),
    ]
)
LEVEL = np.dtype([("quantity", ">u4"), ("price", ">i4"), ("orders", ">u2"), ("padding", ">u2")])
FULL = np.dtype(
    [
        *QUOTE.descr,
        ("last_trade_time", ">u4"),
        ("oi", ">u4"),
        ("oi_high", ">u4"),
        ("oi_low", ">u4"),
        ("exchange_time", ">u4"),
        ("bids", LEVEL, 5),
        ("asks", LEVEL, 5),
    ]
)
INDEX_QUOTE = np.dtype(
    [
        *LTP.descr,
        ("high", ">i4"),
        ("low", ">i4"),
        ("open", ">i4"),
        ("close", ">i4"),
        ("change", ">i4"),
    ]
)
INDEX_FULL = np.dtype([*INDEX_QUOTE.descr, ("exchange_time", ">u4")])
BODIES = {body.itemsize: body for body in (LTP, QUOTE, FULL, INDEX_QUOTE, INDEX_FULL)}
COUNT_SIZE = LENGTH_SIZE = 2
NO_PACKETS = bytes(COUNT_SIZE)
# the fields of each body that a record needs
STRUCTS = {
    LTP.itemsize: Struct(">Ii"),
    QUOTE.itemsize: Struct(">IiI4xI"),
    FULL.itemsize: Struct(">IiI4xI24xI12xI4xi56xi"),
    INDEX_QUOTE.itemsize: Struct(">Ii"),
    INDEX_FULL.itemsize: Struct(">Ii20xI"),
}
FEW_BYTES = 12 * FULL.itemsize
Mask = NDArray[np.bool_]


class KiteProtocol:
    """
    Kite's messages for a set of instruments; `on_order` receives each order update.

    Invalid input is skipped and counted: packets of an instrument that was not subscribed to,
    packets of an unknown kind, packets with a price that is negative or not exact in millionths,
    and whole frames whose lengths do not add up. Negative prices are skipped because stocks and
    bars never have one: it would become the low of the day and trigger every stop.
    """

    name = "Kite"
    headers = HEADERS

    def __init__(
        self,
        api_key: SecretStr,
        access_token: SecretStr,
        tokens: Mapping[str, int],
        *,
        on_order: Callable[[dict[str, Any]], None],
        mode: Mode = "full",
        root: str,
    ) -> None:
        if not 0 < len(tokens) <= MAX_TOKENS:
            raise ConfigurationError(
                f"{counted(len(tokens), 'instrument')} on one connection:"
                f" Kite allows 1 to {MAX_TOKENS}"
            )
        _check_unique(tokens)
        by_token = sorted((token, symbol) for symbol, token in tokens.items())
        self.symbols = tuple(symbol for _, symbol in by_token)
        self.unknown_token_count = 0
        self.bad_packet_count = 0
        self.bad_frame_count = 0
        self._secrets = api_key, access_token
        self._on_order = on_order
        self._log = BoundedLog()
        self._mode = mode
        self._root = root
        self._tokens = np.array([token for token, _ in by_token], np.int64)
        self._places = {token: place for place, (token, _) in enumerate(by_token)}
        # the place after that of each token, where tokens are small: found faster than by search
        self._place_after = np.zeros(0, SMALL)
        if by_token[-1][0] < MAX_INDEXED_TOKEN:
            # only the pages that are written or read take memory
            self._place_after = np.zeros(by_token[-1][0] + 2, SMALL)
            self._place_after[self._tokens] = np.arange(1, len(by_token) + 1)
        self._scales = [price_scale(token) for token, _ in by_token]
        self._multipliers, self._divisors = np.array(self._scales, np.int64).T
        # usually all instruments share one scale, and it is exact
        self._has_one_scale = set(self._scales) == {(self._scales[0][0], 1)}
        # the last volume received of each symbol
        self._volumes = np.full(len(by_token), -1, np.int64)

    def __repr__(self) -> str:
        return f"<KiteProtocol of {counted(len(self.symbols), 'instrument')}, {self._mode}>"

    def url(self) -> str:
        api_key, access_token = (secret.get_secret_value() for secret in self._secrets)
        return f"{self._root}?{urlencode({'api_key': api_key, 'access_token': access_token})}"

    def subscriptions(self) -> list[str]:
        tokens = self._tokens.tolist()
        return [
            json.dumps({"a": "subscribe", "v": tokens}),
            json.dumps({"a": "mode", "v": [self._mode, tokens]}),
        ]

    def is_heartbeat(self, frame: bytes) -> bool:
        return len(frame) < COUNT_SIZE or frame == NO_PACKETS

    def on_text(self, text: str) -> None:
        message = json.loads(text)
        if message["type"] == "order":
            self._on_order(message["data"])
        else:
            self._log.warning("message from Kite", type=message["type"], data=message.get("data"))

    def decode(self, frames: list[bytes], received_at: Instants) -> Records:
        if sum(map(len, frames)) < FEW_BYTES:
            return self._decode_few(frames, received_at.tolist())
        records = self._decode_uniform(frames, received_at)
        if records is None:
            records = self._decode_mixed(frames, received_at)
        self._count_trades_once(records)
        return records

    # frames with the same number of packets, all of one kind: the usual case for one mode

    def _decode_uniform(self, frames: list[bytes], received_at: Instants) -> Records | None:
        size = len(frames[0])
        count = int.from_bytes(frames[0][:COUNT_SIZE])
        length = int.from_bytes(frames[0][COUNT_SIZE : COUNT_SIZE + LENGTH_SIZE])
        if length not in BODIES or size != COUNT_SIZE + count * (LENGTH_SIZE + length):
            return None
        if len(set(map(len, frames))) > 1:
            return None
        whole = np.frombuffer(b"".join(frames), _frame(count, length))
        packets = whole["packets"]
        if (whole["count"] != count).any() or (packets["length"] != length).any():
            return None
        records: Records = np.empty(packets.shape, RECORD)
        is_good = self._read(packets["body"], received_at[:, None], records)
        records = records.reshape(-1)
        return records if is_good.all() else records[is_good.reshape(-1)]

    # frames of any kind

    def _decode_mixed(self, frames: list[bytes], received_at: Instants) -> Records:
        starts: list[int] = []
        lengths: list[int] = []
        counts = []
        base = 0
        for frame in frames:
            before = len(starts)
            for start, length in self._packets(frame):
                starts.append(base + start)
                lengths.append(length)
            counts.append(len(starts) - before)
            base += len(frame)
        data = np.frombuffer(b"".join(frames), np.uint8)
        start_of, length_of = np.array(starts, np.int64), np.array(lengths, np.int64)
        received_at = np.repeat(received_at, counts)
        records: Records = np.empty(len(starts), RECORD)
        is_good = np.zeros(len(starts), bool)
        for length in set(lengths):
            of_kind = np.flatnonzero(length_of == length)
            bodies = data[start_of[of_kind, None] + np.arange(length)].view(BODIES[length])[:, 0]
            part: Records = np.empty(len(of_kind), RECORD)
            is_good[of_kind] = self._read(bodies, received_at[of_kind], part)
            records[of_kind] = part
        return records[is_good]

    def _packets(self, frame: bytes) -> list[tuple[int, int]]:
        """Return the start and length of each body of a known kind."""
        found = []
        at, size = COUNT_SIZE, len(frame)
        for _ in range(int.from_bytes(frame[:COUNT_SIZE])):
            start = at + LENGTH_SIZE
            if start > size:
                at = start
                break
            length = frame[at] << 8 | frame[at + 1]
            found.append((start, length))
            at = start + length
        if at != size:
            self.bad_frame_count += 1
            return []
        known = [packet for packet in found if packet[1] in BODIES]
        self.bad_packet_count += len(found) - len(known)
        return known

    # few frames, which are faster to read one by one

    def _decode_few(self, frames: list[bytes], received_at: list[int]) -> Records:
        found = []
        for frame, received in zip(frames, received_at, strict=True):
            for start, length in self._packets(frame):
                record = self._record(frame, start, length, received)
                if record is not None:
                    found.append(record)
        return np.array(found, RECORD)

    def _record(
        self, frame: bytes, start: int, length: int, received_at: int
    ) -> tuple[int, ...] | None:
        quantity = bid = ask = traded = exchange_time = 0
        volume = -1
        fields = STRUCTS[length].unpack_from(frame, start)
        if length == FULL.itemsize:
            token, price, quantity, volume, traded, exchange_time, bid, ask = fields
        elif length == QUOTE.itemsize:
            token, price, quantity, volume = fields
        elif length == INDEX_FULL.itemsize:
            token, price, exchange_time = fields
        else:
            token, price = fields
        place = self._places.get(token)
        if place is None:
            self.unknown_token_count += 1
            return None
        multiplier, divisor = self._scales[place]
        is_exact = divisor == 1 or not (price % divisor or bid % divisor or ask % divisor)
        if not is_exact or price < 0 or bid < 0 or ask < 0:
            self.bad_packet_count += 1
            return None
        if volume == self._volumes[place]:
            quantity = 0
        self._volumes[place] = volume
        seconds = traded or exchange_time
        return (
            place,
            seconds * 1_000_000 if seconds else received_at,
            received_at,
            price * multiplier // divisor,
            quantity,
            volume,
            bid * multiplier // divisor,
            ask * multiplier // divisor,
        )

    # vectorized

    def _read(self, bodies: NDArray[Any], received_at: Instants, records: Records) -> Mask:
        """Write the records of bodies of one kind; return which of them are valid."""
        names = bodies.dtype.names or ()
        places, is_good = self._find(bodies["token"].astype(np.int64))
        self.unknown_token_count += is_good.size - int(np.count_nonzero(is_good))
        records["symbol"] = places
        records["received_at"] = received_at
        records["quantity"] = bodies["last_quantity"] if "last_quantity" in names else 0
        records["cumulative_volume"] = bodies["volume"] if "volume" in names else -1
        is_price = self._read_price(bodies["last_price"], places, records["price"])
        if "bids" in names:
            is_price &= self._read_price(bodies["bids"]["price"][..., 0], places, records["bid"])
            is_price &= self._read_price(bodies["asks"]["price"][..., 0], places, records["ask"])
        else:
            records["bid"] = records["ask"] = 0
        if "exchange_time" in names:
            seconds = bodies["exchange_time"].astype(np.int64)
            if "last_trade_time" in names:
                traded = bodies["last_trade_time"].astype(np.int64)
                seconds = np.where(traded > 0, traded, seconds)
            records["traded_at"] = np.where(seconds > 0, seconds * 1_000_000, received_at)
        else:
            records["traded_at"] = received_at
        self.bad_packet_count += int(np.count_nonzero(is_good & ~is_price))
        return is_good & is_price

    def _find(self, tokens: Instants) -> tuple[Places, Mask]:
        """Return the places of tokens, and which of them are known; the others have any place."""
        if len(self._place_after):
            # what is too large shares the last one, which is of no token
            after = self._place_after[np.minimum(tokens, len(self._place_after) - 1)]
            return after.astype(np.intp) - 1, after > 0
        places = np.minimum(np.searchsorted(self._tokens, tokens), len(self._tokens) - 1)
        return places, self._tokens[places] == tokens

    def _read_price(self, raw: NDArray[Any], places: NDArray[Any], prices: NDArray[Any]) -> Mask:
        """Write prices in millionths; return which of them are exact and not negative."""
        if self._has_one_scale:
            prices[...] = raw.astype(np.int64) * self._multipliers[0]
            return np.asarray(raw >= 0)
        scaled = raw.astype(np.int64) * self._multipliers[places]
        divisors = self._divisors[places]
        prices[...] = scaled // divisors
        is_price: Mask = (scaled % divisors == 0) & (raw >= 0)
        return is_price

    def _count_trades_once(self, records: Records) -> None:
        """Count the quantity of a trade once: depth updates repeat the last trade."""
        if not len(records):
            return
        places = places_of(records)
        order = np.argsort(places.astype(SMALL), kind="stable")
        places, volumes = places[order], records["cumulative_volume"][order]
        is_other = places[1:] != places[:-1]
        before = np.empty_like(volumes)
        before[1:] = np.where(is_other, self._volumes[places[1:]], volumes[:-1])
        before[0] = self._volumes[places[0]]
        records["quantity"][order[volumes == before]] = 0
        # the last of each symbol is stored last
        self._volumes[places] = volumes


def protocols_of(
    api_key: SecretStr,
    access_token: SecretStr,
    tokens: Mapping[str, int],
    *,
    on_order: Callable[[dict[str, Any]], None],
    root: str,
) -> tuple[KiteProtocol, ...]:
    """
    Return the protocols of as few connections as take all instruments, in equal parts.

    Kite sends each order update on every connection. Raise ConfigurationError if there are more
    instruments than Kite allows on all connections together.
    """
    if len(tokens) > MAX_CONNECTIONS * MAX_TOKENS:
        raise ConfigurationError(
            f"{counted(len(tokens), 'instrument')}: Kite allows {MAX_CONNECTIONS * MAX_TOKENS:,},"
            f" on {MAX_CONNECTIONS} connections of {MAX_TOKENS:,} each",
            "remove symbols that you do not trade from seeds/reference/instruments.csv, and build",
        )
    _check_unique(tokens)
    by_token = sorted(tokens.items(), key=lambda pair: pair[1])
    count = -(-len(tokens) // MAX_TOKENS)
    return tuple(
        KiteProtocol(
            api_key, access_token, dict(by_token[number::count]), on_order=on_order, root=root
        )
        for number in range(count)
    )


def _check_unique(tokens: Mapping[str, int]) -> None:
    if len(set(tokens.values())) < len(tokens):
        raise ConfigurationError("two symbols have the same instrument token")


@cache
def _frame(count: int, length: int) -> np.dtype[Any]:
    packet = np.dtype([("length", ">u2"), ("body", BODIES[length])])
    return np.dtype([("count", ">u2"), ("packets", packet, (count,))])
